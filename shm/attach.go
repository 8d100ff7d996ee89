//go:build linux

package shm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// newSegment maps f and takes it over. On error the caller still owns f.
func newSegment(
	f *os.File, name, path string, h layout.Header, g layout.Geometry, readOnly bool,
) (*Segment, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	mem, err := mapFile(f, g.TotalSize, readOnly)
	if err != nil {
		return nil, err
	}
	view, err := layout.Overlay(mem, g)
	if err != nil {
		return nil, errors.Join(err, unmap(mem))
	}
	probe, err := reopen(f, unix.O_RDONLY)
	if err != nil {
		return nil, errors.Join(err, unmap(mem))
	}
	return &Segment{
		name: name, path: path, header: h, view: view, mem: mem, readOnly: readOnly,
		dev: device(&st), ino: st.Ino, file: f, probe: probe, control: make(chan struct{}, 1),
	}, nil
}

// is reports whether st is of the file of this segment.
func (s *Segment) is(st *unix.Stat_t) bool { return device(st) == s.dev && st.Ino == s.ino }

func device(st *unix.Stat_t) uint64 {
	return uint64(st.Dev) //nolint:unconvert // it is narrower on other processors
}

// reopen makes a new description of an open file. A duplicate would share its locks.
func reopen(f *os.File, flags int) (*os.File, error) {
	path := fdPath(int(f.Fd()))
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the segment once more through %s (is /proc mounted?): %w",
			path, err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// fdPath names an open file so that it can be opened, linked or watched once more.
func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// withFile runs fn while the descriptors are open.
func (s *Segment) withFile(fn func(fd int) error) error {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.file == nil {
		return os.ErrClosed
	}
	return fn(int(s.file.Fd()))
}

// tryFile is withFile for the notifier, which holds its own lock: it must not wait for
// a Close that waits for a call that waits for the notifier.
func (s *Segment) tryFile(fn func(fd int) error) error {
	if !s.life.TryRLock() {
		return os.ErrClosed
	}
	defer s.life.RUnlock()
	if s.file == nil {
		return os.ErrClosed
	}
	return fn(int(s.file.Fd()))
}

// raise gives the descriptor that holds the locks a number above another one, of inotify.
// When a process dies, the kernel lets go of its files from the last to the first, and
// taking down an inotify makes it wait for all others to have seen that, for tens of
// milliseconds: the locks would be held so long, and nobody could be told. Where this fails
// the locks are freed late, and that is all.
func (s *Segment) raise(above int) {
	s.life.Lock()
	defer s.life.Unlock()
	if s.file == nil || int(s.file.Fd()) > above {
		return
	}
	// A duplicate is the same description: it has the same locks, and nobody hears of a close.
	fd, err := unix.FcntlInt(s.file.Fd(), unix.F_DUPFD_CLOEXEC, above+1)
	if err != nil {
		return
	}
	lower := s.file
	s.file = os.NewFile(uintptr(fd), lower.Name())
	_ = lower.Close() // it was not the last one: there is nothing to write back
}

// File returns a new description of the segment's file that holds no lock, to be
// handed to a child. The caller closes it.
func (s *Segment) File() (*os.File, error) {
	flags := unix.O_RDWR
	if s.readOnly {
		flags = unix.O_RDONLY
	}
	var f *os.File
	err := s.withFile(func(int) error {
		if f = s.openByName(); f != nil {
			return nil
		}
		var err error
		f, err = reopen(s.file, flags)
		return err
	})
	return f, err
}

// openByName opens the file through its name, nil if that is gone or another's. What
// is opened through the creator's descriptor knows no name: it was opened without.
func (s *Segment) openByName() *os.File {
	if s.Nameless() {
		return nil
	}
	f, err := openPath(s.path, s.readOnly)
	if err != nil {
		return nil
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || !s.is(&st) {
		_ = f.Close() // a successor's
		return nil
	}
	return f
}

// Close unmaps and closes, which frees every lock. It is for observers and failures;
// others use Detach. A second Close does nothing.
func (s *Segment) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.file == nil {
		return nil
	}
	err := unmap(s.mem)
	fault.Point("shm.close.unmapped")
	err = errors.Join(err, s.probe.Close(), s.file.Close())
	s.file, s.probe = nil, nil
	return err
}

// pause waits d or until ctx ends, whichever is first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// backoff doubles a delay from its first value to its limit.
type backoff struct{ next time.Duration }

const (
	backoffFirst = 50 * time.Microsecond
	backoffLimit = 5 * time.Millisecond
)

func (b *backoff) wait(ctx context.Context) error {
	b.next = min(max(b.next*2, backoffFirst), backoffLimit)
	return pause(ctx, b.next)
}
