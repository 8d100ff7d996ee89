//go:build linux

package shm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/race"
)

// Create makes a new segment and attaches to it read-write. It fails with
// fs.ErrExist if the name is taken, ErrNoSpace if memory is too small,
// fs.ErrPermission if the directory may not be written, and layout.ErrInvalid for
// parameters that make no segment. Whenever the process dies before the last step, no
// name and no memory is left.
func Create(ctx context.Context, o CreateOptions) (*Segment, error) {
	if err := layout.Supported(); err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Params.Options |= layout.OptNameless
	}
	g, err := layout.NewGeometry(o.Params)
	if err != nil {
		return nil, err
	}
	path, err := createPath(o)
	if err != nil {
		return nil, err
	}
	f, err := openUnnamed(o)
	if err != nil {
		return nil, err
	}
	s, err := fill(ctx, f, path, o, g)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := s.publish(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// createPath checks name and mode. A name that is taken is found before memory is
// asked for; linkat decides in the end.
func createPath(o CreateOptions) (string, error) {
	if o.Mode&^fs.ModePerm != 0 {
		return "", fmt.Errorf("%w: mode %v has more than permission bits", fs.ErrInvalid, o.Mode)
	}
	if o.Name == "" {
		return "", nil
	}
	if err := CheckName(o.Name); err != nil {
		return "", err
	}
	path := pathOf(o.Dir, o.Name)
	if _, err := os.Lstat(path); err == nil {
		return "", existError(path)
	}
	return path, nil
}

func existError(path string) error {
	return fmt.Errorf("%s: %w: open it, or remove it first", path, fs.ErrExist)
}

// openUnnamed creates a file that has no name and goes with its last descriptor.
func openUnnamed(o CreateOptions) (*os.File, error) {
	dir := o.Dir
	if dir == "" {
		dir = Dir()
	}
	flags := unix.O_TMPFILE | unix.O_RDWR | unix.O_CLOEXEC
	if o.Name == "" {
		flags |= unix.O_EXCL // it can never be given a name
	}
	fd, err := unix.Open(dir, flags, uint32(DefaultMode))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR):
		return nil, fmt.Errorf("create a segment in %s: its file system has no unnamed files: "+
			"use a directory on a tmpfs (%s): %w", dir, EnvDir, err)
	case errors.Is(err, unix.ENOSPC):
		return nil, &NoSpaceError{
			Where: "the file system of " + dir, Remedy: "it has no inodes left: remove files, " +
				"or enlarge it (mount -o remount,nr_inodes=…)",
		}
	case err != nil:
		return nil, fmt.Errorf("create a segment in %s: %w", dir, err)
	}
	fault.Point("shm.create.opened")
	return os.NewFile(uintptr(fd), filepath.Join(dir, prefix+o.Name)), nil
}

// fill gives the file its mode, its memory and its content, and takes the shared
// byte: the creator is attached before anybody else can be.
func fill(
	ctx context.Context, f *os.File, path string, o CreateOptions, g layout.Geometry,
) (*Segment, error) {
	mode := o.Mode
	if mode == 0 {
		mode = DefaultMode
	}
	if err := unix.Fchmod(int(f.Fd()), uint32(mode)); err != nil { // the umask has had its say
		return nil, fmt.Errorf("set mode %v of a segment: %w", mode, err)
	}
	fault.Point("shm.create.mode")
	if err := allocate(ctx, f, g.TotalSize); err != nil {
		return nil, err
	}
	fault.Point("shm.create.allocated")
	h, err := newHeader(g)
	if err != nil {
		return nil, err
	}
	s, err := newSegment(f, o.Name, path, h, g, false)
	if err != nil {
		return nil, err
	}
	if o.Init != nil {
		o.Init(s.view)
	}
	copy(s.mem, h.Encode()) // nobody else can see the file yet
	fault.Point("shm.create.filled")
	ok, err := lockByte(int(f.Fd()), unix.F_RDLCK, attachedByte)
	if err == nil && !ok {
		err = &BusyError{What: "the attached byte of a segment without a name"}
	}
	fault.Point("shm.create.locked")
	if err != nil {
		return nil, errors.Join(err, unmap(s.mem), s.probe.Close())
	}
	return s, nil
}

func newHeader(g layout.Geometry) (layout.Header, error) {
	h, me := layout.NewHeader(g), Myself()
	if _, err := rand.Read(h.Instance[:]); err != nil {
		return h, fmt.Errorf("draw an instance id: %w", err)
	}
	h.BootID = bootID()
	h.CreatedNs = time.Now().UnixNano()
	h.CreatorPID, h.CreatorUID = me.PID, uint32(os.Geteuid())
	copy(h.CreatorComm[:], me.Comm)
	return h, nil
}

// publish gives the finished segment its name, in one step. An existing name is
// never touched.
func (s *Segment) publish() error {
	if s.path == "" {
		return nil
	}
	from := fdPath(int(s.file.Fd()))
	race.For(s.Instance(), s.readOnly).Release(race.Control)
	err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, s.path, unix.AT_SYMLINK_FOLLOW)
	switch {
	case errors.Is(err, unix.EEXIST):
		return existError(s.path)
	case err != nil:
		return fmt.Errorf("link the new segment to %s: %w", s.path, err)
	}
	fault.Point("shm.create.linked")
	return nil
}
