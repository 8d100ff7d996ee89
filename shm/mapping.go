//go:build linux

package shm

import (
	"fmt"
	"math"
	"os"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// mapFile maps the first size bytes of f, shared with every process that does the
// same. A child forked without exec does not get the mapping: it could write without
// holding a lock.
func mapFile(f *os.File, size uint64, readOnly bool) ([]byte, error) {
	if size > math.MaxInt {
		return nil, fmt.Errorf("map %d bytes of shared memory: %w: more than this program can "+
			"address", size, unix.ENOMEM)
	}
	mem, err := mapShared(f, int(size), readOnly)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes of shared memory: %w", size, err)
	}
	if err := unix.Madvise(mem, unix.MADV_DONTFORK); err != nil {
		_ = unmapShared(mem) // the first error is the one to report
		return nil, fmt.Errorf("keep the mapping from forked children: %w", err)
	}
	return mem, nil
}

// mapPlain maps f where the kernel likes.
func mapPlain(f *os.File, size int, readOnly bool) ([]byte, error) {
	prot := mmap.RDWR
	if readOnly {
		prot = mmap.RDONLY
	}
	return mmap.MapRegion(f, size, prot, 0, 0)
}

func unmapPlain(mem []byte) error {
	m := mmap.MMap(mem)
	return m.Unmap()
}

// unmap ends a mapping made by mapFile. Nobody may use its memory any more.
func unmap(mem []byte) error {
	if err := unmapShared(mem); err != nil {
		return fmt.Errorf("unmap shared memory: %w", err)
	}
	return nil
}
