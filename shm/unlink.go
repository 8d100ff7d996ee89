//go:build linux

package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
)

// Linked reports whether this very file is still what its name refers to.
func (s *Segment) Linked() (bool, error) {
	if s.Nameless() {
		return false, nil
	}
	var st unix.Stat_t
	err := unix.Lstat(s.path, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("stat %s: %w", s.path, err)
	}
	return s.is(&st), nil
}

// Links returns how many names the file has.
func (s *Segment) Links() (uint64, error) {
	var st unix.Stat_t
	err := s.withFile(func(fd int) error { return unix.Fstat(fd, &st) })
	if err != nil {
		return 0, fmt.Errorf("stat %s: %w", s.path, err)
	}
	return uint64(st.Nlink), nil //nolint:unconvert // it is narrower on other processors
}

// Unlink removes the name if it still refers to this file. The caller holds the
// control lock: names change only under the lock of the file that they refer to. A
// name that is gone or belongs to a successor is no error; one that may not be
// removed is fs.ErrPermission and names the owner.
func (s *Segment) Unlink() error {
	ours, err := s.Linked()
	if err != nil || !ours {
		return err
	}
	fault.Point("shm.unlink.compared")
	if err := unlinkPath(s.path); err != nil {
		return err
	}
	fault.Point("shm.unlink.done")
	return nil
}

func unlinkPath(path string) error {
	err := unix.Unlink(path)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil {
			return fmt.Errorf("unlink %s: %w: it belongs to uid %d, this process runs as uid %d: "+
				"let that user remove it", path, fs.ErrPermission, st.Uid, os.Geteuid())
		}
	case err == nil:
		return nil
	}
	return &fs.PathError{Op: "unlink", Path: path, Err: err}
}

// Detach ends the attachment. If nobody else is attached, lastOut is asked, under
// the control lock, whether the file goes. If the control lock cannot be had before
// ctx ends it closes plainly: a later OpenOrCreate or gc finds the file. A second
// Detach does nothing.
func (s *Segment) Detach(ctx context.Context, lastOut func() bool) error {
	if s.readOnly || s.Nameless() {
		return s.Close()
	}
	if !s.leaving.CompareAndSwap(false, true) {
		return nil
	}
	_, err := s.Control(ctx, "detach")
	switch {
	case errors.Is(err, os.ErrClosed):
		return nil
	case err != nil:
		return errors.Join(err, s.Close())
	}
	fault.Point("shm.detach.control")
	err = s.letGo(lastOut)
	fault.Point("shm.detach.gone")
	s.unlockControl()
	err = errors.Join(err, s.Close())
	<-s.control // only now: a second Detach finds it closed, not half gone
	return err
}

// letGo drops the shared byte while the control lock is still held: of two who leave
// at once, the second finds that it is the last.
func (s *Segment) letGo(lastOut func() bool) error {
	won, err := s.TryExclusive()
	if err != nil {
		return err
	}
	if won {
		goes := false
		err := s.Guard(func() error { goes = lastOut(); return nil })
		if err == nil && goes {
			return s.Unlink() // nobody can attach before the byte is free, and then sees no link
		}
		return errors.Join(err, s.freeAttached())
	}
	fault.Point("shm.detach.shared")
	return s.freeAttached()
}

// freeAttached frees the attached byte. To close the description would do that too, but not
// while a child of another thread is between its fork and its exec and has it as well.
func (s *Segment) freeAttached() error {
	return s.withFile(func(fd int) error { return unlockByte(fd, attachedByte) })
}
