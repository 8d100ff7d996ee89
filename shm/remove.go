//go:build linux

package shm

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Remove unlinks a segment that nobody is attached to. It fails with fs.ErrNotExist
// if there is none and with ErrBusy while somebody is attached or messages are unread.
func Remove(ctx context.Context, dir, name string, o RemoveOptions) error {
	return remove(ctx, dir, name, func(f *os.File, path string) error {
		return o.allow(f, path)
	})
}

// RemoveForeign unlinks a segment of another layout that nobody is attached to, using
// only the header fields that never move. It fails with ErrBusy while somebody is
// attached and with ErrLayout if the segment is not foreign after all.
func RemoveForeign(ctx context.Context, dir, name string) error {
	return remove(ctx, dir, name, func(f *os.File, path string) error {
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return fmt.Errorf("stat %s: %w", path, err)
		}
		_, _, err := readHeader(f, uint64(st.Size))
		if he, ok := errors.AsType[*layout.HeaderError](err); ok && he.Foreign {
			return nil
		}
		return fmt.Errorf("%s: %w: not a segment of another layout: use Remove", path, ErrLayout)
	})
}

// remove asks allow under the file's control lock and with the attached byte
// exclusively held, and unlinks.
func remove(ctx context.Context, dir, name string, allow func(*os.File, string) error) error {
	if err := layout.Supported(); err != nil {
		return err
	}
	if err := CheckName(name); err != nil {
		return err
	}
	path := pathOf(dir, name)
	f, err := openPath(path, false)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // closing frees the locks, and nothing was written
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if err := checkFile(path, &st, anyLinks); err != nil { // whose it is, the directory decides
		return err
	}
	header, _, _ := readHeader(f, uint64(st.Size)) // only fields that never move are used
	// A damaged offset must not hide those who are attached: our own bytes are asked too.
	for _, base := range []int64{layout.LockBase, lockBase(header)} {
		if err := lockAlone(ctx, f, base); err != nil {
			return err
		}
	}
	if err := allow(f, path); err != nil {
		return err
	}
	return unlinkSame(path, &st)
}

// lockAlone takes the control lock and the attached byte of a segment whose locks are at
// base.
func lockAlone(ctx context.Context, f *os.File, base int64) error {
	if err := lockWithin(ctx, f, base+layout.LockControl); err != nil {
		return err
	}
	fault.Point("shm.remove.control")
	ok, err := lockByte(int(f.Fd()), unix.F_WRLCK, base+layout.LockAttached)
	if err == nil && !ok {
		err = fmt.Errorf("%s is %w: somebody is attached: close those programs first "+
			"(shmctl stat names them)", f.Name(), ErrBusy)
	}
	fault.Point("shm.remove.exclusive")
	return err
}

// lockWithin takes an exclusive lock byte, trying until ctx ends.
func lockWithin(ctx context.Context, f *os.File, off int64) error {
	var b backoff
	for {
		ok, err := lockByte(int(f.Fd()), unix.F_WRLCK, off)
		if ok || err != nil {
			return err
		}
		if err := b.wait(ctx); err != nil {
			return fmt.Errorf("%w: %w", err, &BusyError{
				What: "the control lock of " + f.Name(), Holder: squatter(int(f.Fd()), off),
			})
		}
	}
}

// unlinkSame removes the name if it still refers to the file that was locked.
func unlinkSame(path string, locked *unix.Stat_t) error {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fmt.Errorf("stat %s: %w", path, err)
	case st.Dev != locked.Dev || st.Ino != locked.Ino:
		return nil // a successor has the name: what was asked for is gone
	}
	fault.Point("shm.remove.compared")
	return unlinkPath(path)
}

// allow decides about the content.
func (o RemoveOptions) allow(f *os.File, path string) error {
	if o.Force {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	header, geometry, err := readHeader(f, uint64(st.Size))
	if err != nil {
		return fmt.Errorf("%w; only a forced remove deletes it", headerError(path, err))
	}
	if o.Unread == nil {
		return nil
	}
	s, err := newSegment(f, "", path, header, geometry, true)
	if err != nil {
		return err
	}
	unread := uint64(0)
	err = s.Guard(func() error {
		var err error
		unread, err = o.Unread(s.view)
		return err
	})
	err = errors.Join(err, unmap(s.mem), s.probe.Close())
	switch {
	case err != nil:
		return fmt.Errorf("count what is unread in %s: %w; only a forced remove deletes it",
			path, err)
	case unread > 0:
		return fmt.Errorf("%s is %w: messages are unread (%d): receive them, or force the remove",
			path, ErrBusy, unread)
	}
	return nil
}
