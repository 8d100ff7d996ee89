//go:build linux && race

package shm

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/race"
)

// The race detector knows addresses of the Go heap only. If race.Visible, a segment that is
// mapped for writing is mapped over a piece of that heap, so that every access to it is
// checked like one to ordinary memory. The collector never touches such a piece: it holds
// no pointers, and stays allocated while something is mapped over it.
//
// Two mappings of one file would be two memories to the detector, so all attachments of a
// process share one. It is made of a description of its own, which holds no locks: the
// kernel keeps the locks of a description that is mapped.
//
// A piece that is unmapped faults at every access, as it would without a detector, until
// some others were unmapped after it. Then it is given back to the heap, where the next
// who gets it begins without a history.

// A fileID names a file as long as somebody has it open.
type fileID struct{ dev, ino uint64 }

// A region is one shared mapping of a file.
type region struct {
	id   fileID
	mem  []byte
	uses int
}

// regionsKept is how many regions stay unmapped before the first goes back to the heap.
const regionsKept = 8

// leastRegion makes sure that a region is a heap object with pages of its own.
const leastRegion = 128 << 10

var regions struct {
	sync.Mutex
	byFile map[fileID]*region
	byAddr map[*byte]*region
	gone   [][]byte // unmapped, oldest first
}

func mapShared(f *os.File, size int, readOnly bool) ([]byte, error) {
	if readOnly || !race.Visible() {
		return mapPlain(f, size, readOnly)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	id := fileID{device(&st), st.Ino}
	regions.Lock()
	defer regions.Unlock()
	r := regions.byFile[id]
	if r == nil {
		var err error
		if r, err = newRegion(f, id, size); err != nil {
			return nil, err
		}
	}
	if len(r.mem) != size {
		return nil, fmt.Errorf("%w: mapped with %d bytes before", unix.EINVAL, len(r.mem))
	}
	r.uses++
	return r.mem, nil
}

func newRegion(f *os.File, id fileID, size int) (*region, error) {
	own, err := reopen(f, unix.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer own.Close() //nolint:errcheck // it has nothing to write
	mem := layout.HeapMemory(uint64(max(size, leastRegion)))[:size]
	if err := place(mem, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, own); err != nil {
		return nil, err
	}
	r := &region{id: id, mem: mem}
	if regions.byFile == nil {
		regions.byFile = make(map[fileID]*region)
		regions.byAddr = make(map[*byte]*region)
	}
	regions.byFile[id], regions.byAddr[unsafe.SliceData(mem)] = r, r
	return r, nil
}

// place maps f, or nothing, over mem.
func place(mem []byte, prot, flags int, f *os.File) error {
	fd := ^uintptr(0)
	if f != nil {
		fd = f.Fd()
	}
	_, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(unsafe.Pointer(unsafe.SliceData(mem))),
		uintptr(len(mem)), uintptr(prot), uintptr(flags|unix.MAP_FIXED), fd, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func unmapShared(mem []byte) error {
	regions.Lock()
	defer regions.Unlock()
	r := regions.byAddr[unsafe.SliceData(mem)]
	if r == nil {
		return unmapPlain(mem)
	}
	if r.uses--; r.uses > 0 {
		return nil
	}
	delete(regions.byFile, r.id)
	delete(regions.byAddr, unsafe.SliceData(mem))
	regions.gone = append(regions.gone, r.mem)
	err := place(r.mem, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON, nil)
	if len(regions.gone) > regionsKept {
		first := regions.gone[0]
		regions.gone = regions.gone[1:]
		err = errors.Join(err, place(first, unix.PROT_READ|unix.PROT_WRITE,
			unix.MAP_PRIVATE|unix.MAP_ANON, nil))
	}
	return err
}
