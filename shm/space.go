//go:build linux

package shm

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
)

// errNoSpc is the kernel's error for what NoSpaceError says.
const errNoSpc = unix.ENOSPC

// chunk bounds one fallocate, so that a large one can be given up in between.
const chunk = 32 << 20

// allocate really reserves size bytes: a file that only has a length would raise
// SIGBUS in whoever touches the first page that does not exist.
func allocate(ctx context.Context, f *os.File, size uint64) error {
	if free, where, ok := cgroupFree(); ok && free < size {
		return &NoSpaceError{Need: size, Free: free, Where: where, Remedy: "raise the memory " +
			"limit of the container or unit, or create a smaller channel (slots, arena)"}
	}
	for off := uint64(0); off < size; off += chunk {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := fallocate(ctx, int(f.Fd()), int64(off), int64(min(chunk, size-off)))
		if err != nil {
			return spaceError(f, size, err)
		}
	}
	return nil
}

func fallocate(ctx context.Context, fd int, off, n int64) error {
	for {
		if err := fault.Err("shm.create.fallocate"); err != nil {
			return err
		}
		err := unix.Fallocate(fd, 0, off, n)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// Space returns how many bytes of the file system of a directory of segments (empty:
// $SHMRING_DIR, else /dev/shm) are free, and how many it has.
func Space(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if dir == "" {
		dir = Dir()
	}
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("look at the space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

// spaceError says what is missing and what to do about it.
func spaceError(f *os.File, size uint64, err error) error {
	if !outOfSpace(err) {
		return fmt.Errorf("allocate %d bytes of shared memory: %w", size, err)
	}
	e := &NoSpaceError{
		Need: size, Where: "the file system of " + f.Name(),
		Remedy: "remove unused channels, create a smaller one (slots, arena), or enlarge it " +
			"(mount -o remount,size=…; docker run --shm-size=…)",
	}
	// What this file took so far is given back before the free space is counted.
	_ = unix.Ftruncate(int(f.Fd()), 0)
	var st unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &st) == nil {
		e.Free = st.Bavail * uint64(st.Bsize)
	}
	return e
}

func outOfSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) ||
		errors.Is(err, unix.ENOMEM)
}
