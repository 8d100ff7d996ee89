//go:build linux

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
)

// refillStep bounds one fallocate of Refill: a signal makes the kernel undo what it has done
// of it.
const refillStep = 4 << 20

// GiveBack gives n bytes of memory at offset off of the file back to the system; whoever
// touches them afterwards finds zeroes, or a fault if there is no memory any more. It takes
// whole pages behind the participants only. Whoever calls it knows that nobody touches them
// before a Refill. A file system that cannot do it says errors.ErrUnsupported.
func (s *Segment) GiveBack(off, n uint64) error {
	page := uint64(os.Getpagesize())
	first, end := s.view.SlotsOff, s.view.TotalSize
	if off%page != 0 || n%page != 0 || off < first || off > end || n > end-off {
		return fmt.Errorf("%w: bytes %d to %d of segment %q cannot be given back",
			fs.ErrInvalid, off, off+n, s.name)
	}
	return s.withFile(func(fd int) error {
		for {
			if err := fault.Err("shm.giveback.punch"); err != nil {
				return err
			}
			err := unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE,
				int64(off), int64(n))
			if !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	})
}

// Refill allocates whatever was given back, so that no access can fault for want of space. What
// is there is not changed. A *NoSpaceError says that there is not enough; then some of it may
// be allocated.
func (s *Segment) Refill() error {
	return s.withFile(func(fd int) error {
		start, size := s.view.SlotsOff, s.view.TotalSize
		start -= start % uint64(os.Getpagesize())
		if missing, err := missing(fd, size); err != nil {
			return err
		} else if free, where, ok := cgroupFree(); ok && missing > 0 && free < missing {
			return &NoSpaceError{Need: missing, Free: free, Where: where, Remedy: "raise the " +
				"memory limit of the container or unit, then recover the channel"}
		}
		for off := start; off < size; {
			if err := fault.Err("shm.refill.allocate"); err != nil {
				return s.refillError(fd, err)
			}
			n := min(refillStep, size-off)
			err := unix.Fallocate(fd, 0, int64(off), int64(n))
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return s.refillError(fd, err)
			}
			off += n
		}
		return nil
	})
}

// refillError says what is missing and what to do about it.
func (s *Segment) refillError(fd int, err error) error {
	if !outOfSpace(err) {
		return fmt.Errorf("allocate the memory of segment %q again: %w", s.name, err)
	}
	e := &NoSpaceError{
		Where: "the file system of " + s.file.Name(),
		Remedy: "remove unused channels, or enlarge it (mount -o remount,size=…; docker run " +
			"--shm-size=…), then recover the channel",
	}
	e.Need, _ = missing(fd, s.view.TotalSize) // 0 is not said
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) == nil {
		e.Free = st.Bavail * uint64(st.Bsize)
	}
	return e
}

// GivenBack returns how many bytes of the file are not in memory, because they were given back.
func (s *Segment) GivenBack() (n uint64, err error) {
	err = s.withFile(func(fd int) error {
		n, err = missing(fd, s.view.TotalSize)
		return err
	})
	return n, err
}

// missing returns how many of the first size bytes of a file have no memory. Large pages may
// reach beyond its end and hide some.
func missing(fd int, size uint64) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("look at the memory of a segment: %w", err)
	}
	const block = 512 // the unit of st_blocks, whatever the file system
	return size - min(size, uint64(st.Blocks)*block), nil
}
