//go:build linux

package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// Open attaches to an existing segment. It fails with fs.ErrNotExist if there is
// none, fs.ErrPermission if it belongs to somebody not trusted or may not be opened,
// ErrLayout if it has another layout, ErrCorrupt if it is damaged or no segment. It
// creates and changes nothing.
func Open(ctx context.Context, o OpenOptions) (*Segment, error) {
	if err := CheckName(o.Name); err != nil {
		return nil, err
	}
	s, _, err := open(ctx, o, "")
	return s, err
}

// OpenControlled is Open that takes the control lock for op first, and attaches only
// under it. Of several who come at once to a segment that nobody uses, the first finds
// it alone and may replace it, and the others are not in its way. The caller must call
// release, once.
func OpenControlled(
	ctx context.Context, o OpenOptions, op string,
) (s *Segment, release func(), err error) {
	if err := CheckName(o.Name); err != nil {
		return nil, nil, err
	}
	return open(ctx, o, op)
}

func open(ctx context.Context, o OpenOptions, op string) (*Segment, func(), error) {
	if err := layout.Supported(); err != nil {
		return nil, nil, err
	}
	path := pathOf(o.Dir, o.Name)
	for {
		s, release, err := openOnce(ctx, path, o, op)
		if err != nil || s != nil {
			return s, release, err
		}
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
	}
}

// openOnce returns neither a segment nor an error if the name changed hands while it
// looked.
func openOnce(
	ctx context.Context, path string, o OpenOptions, op string,
) (*Segment, func(), error) {
	f, err := openPath(path, o.ReadOnly)
	if err != nil {
		return nil, nil, err
	}
	s, err := inspect(f, path, o, linked)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	if o.ReadOnly {
		return s, nil, nil
	}
	var release func()
	if op != "" {
		if release, err = s.Control(ctx, op); err != nil {
			return nil, nil, errors.Join(err, s.Close())
		}
	}
	if err := s.lockShared(ctx); err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	fault.Point("shm.open.locked")
	// Before the lock the segment may have been unlinked by its last holder.
	still, err := s.Linked()
	if err != nil || !still {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, release, nil
}

// openPath opens what must be a regular file, without waiting for a FIFO's writer
// and without following a link.
func openPath(path string, readOnly bool) (*os.File, error) {
	flags := unix.O_RDWR | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY
	if readOnly {
		flags ^= unix.O_RDWR | unix.O_RDONLY
	}
	fd, err := unix.Open(path, flags, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s: %w: it is a symbolic link, which no segment is",
			path, fs.ErrPermission)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.EISDIR):
		return nil, fmt.Errorf("%s: %w: it is no regular file", path, ErrLayout)
	case errors.Is(err, unix.EACCES):
		return nil, permissionError(path, err)
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	fault.Point("shm.open.opened")
	return os.NewFile(uintptr(fd), path), nil
}

// permissionError names the owner of what may not be opened.
func permissionError(path string, err error) error {
	var st unix.Stat_t
	if unix.Lstat(path, &st) == nil {
		return ownerError(path, st.Uid, uint32(os.Geteuid()))
	}
	return &fs.PathError{Op: "open", Path: path, Err: err}
}

// Whether a segment must have a name is checked when one was asked for.
const (
	linked   = true
	anyLinks = false
)

// inspect believes nothing: it checks the file, then the header, then maps.
func inspect(f *os.File, path string, o OpenOptions, named bool) (*Segment, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	if err := checkFile(path, &st, named); err != nil {
		return nil, err
	}
	if !trusted(&st, o.AllowUIDs) {
		return nil, ownerError(path, st.Uid, uint32(os.Geteuid()))
	}
	page := make([]byte, layout.PageSize)
	n, err := unix.Pread(int(f.Fd()), page, 0)
	if err != nil {
		return nil, fmt.Errorf("read the header of %s: %w", path, err)
	}
	h, g, err := layout.Decode(page[:n], uint64(st.Size))
	if err != nil {
		return nil, headerError(path, err)
	}
	if h.ROCompat != 0 && !o.ReadOnly {
		return nil, fmt.Errorf("%s: %w: it has features %#x that this program may only observe",
			path, ErrLayout, h.ROCompat)
	}
	fault.Point("shm.open.checked")
	s, err := newSegment(f, o.Name, path, h, g, o.ReadOnly)
	fault.Point("shm.open.mapped")
	return s, err
}

// checkFile refuses what nobody who means well would have put there.
func checkFile(path string, st *unix.Stat_t, named bool) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s: %w: it is no regular file", path, ErrLayout)
	case named && st.Nlink > 1:
		return fmt.Errorf("%s: %w: it has %d names, a segment has one: remove the others",
			path, fs.ErrPermission, st.Nlink)
	}
	return nil
}

// lockShared takes the shared attached byte. Somebody who holds it exclusively is
// about to unlink or to let go.
func (s *Segment) lockShared(ctx context.Context) error {
	var b backoff
	for {
		ok, err := lockByte(int(s.file.Fd()), unix.F_RDLCK, attachedByte)
		if ok || err != nil {
			return err
		}
		if err := b.wait(ctx); err != nil {
			return fmt.Errorf("attach: %w: %w", err, &BusyError{
				What: "the segment", Holder: "somebody who is removing or replacing it",
			})
		}
	}
}

// openFilePatience bounds the wait for somebody who is removing the segment: he is
// done in no time, or stopped.
const openFilePatience = 2 * time.Second

// OpenFile attaches to the segment behind f, which somebody handed over, and closes f.
// The attachment is a description of its own: what f shares with others does not
// matter. Names and links are not checked. o.Dir and o.Name are ignored.
func OpenFile(f *os.File, o OpenOptions) (*Segment, error) {
	if err := layout.Supported(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	flags := unix.O_RDWR
	if o.ReadOnly {
		flags = unix.O_RDONLY
	}
	own, err := reopen(f, flags|unix.O_NONBLOCK|unix.O_NOCTTY) // it may be a FIFO
	if cerr := f.Close(); err == nil && cerr != nil {
		err = errors.Join(cerr, own.Close())
	}
	if err != nil {
		return nil, err
	}
	path := ""
	o.Name, path = nameOfFile(own)
	s, err := inspect(own, path, o, anyLinks)
	if err != nil {
		return nil, errors.Join(err, own.Close())
	}
	if o.ReadOnly {
		return s, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), openFilePatience)
	defer cancel()
	if err := s.lockShared(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// nameOfFile finds the name of a segment that was handed over, empty if it has none.
func nameOfFile(f *os.File) (name, path string) {
	target, err := os.Readlink(fdPath(int(f.Fd())))
	if err != nil || strings.HasSuffix(target, " (deleted)") {
		return "", ""
	}
	name, ok := nameOf(filepath.Base(target))
	if !ok {
		return "", ""
	}
	return name, target
}
