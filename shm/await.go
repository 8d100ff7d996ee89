//go:build linux

package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"shmring/internal/layout"
)

// awaitSlice is how often AwaitName looks where it is not told.
const awaitSlice = 100 * time.Millisecond

// awaitLook is how often AwaitName looks where it is told.
const awaitLook = 2 * time.Second

// AwaitName waits until something has that name in dir (empty: Dir()) or ctx ends. It
// is woken by the kernel; where inotify is not to be had it looks every 100 ms.
func AwaitName(ctx context.Context, dir, name string) error {
	if err := layout.Supported(); err != nil {
		return err
	}
	if err := CheckName(name); err != nil {
		return err
	}
	path := pathOf(dir, name)
	f, fd, err := newInotify()
	if err == nil {
		_, err = unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_CREATE|unix.IN_MOVED_TO)
		if err != nil {
			_ = f.Close() // the slices below do without
		}
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("wait for %s: %w", path, fs.ErrNotExist)
	case err != nil:
		return awaitSlices(ctx, path)
	}
	defer f.Close() //nolint:errcheck // it holds nothing to write back
	// The descriptor is in the runtime poller: a deadline in the past ends a read.
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	return awaitEvents(ctx, f, path)
}

// awaitEvents looks after the watch was set, and then after each event.
func awaitEvents(ctx context.Context, f *os.File, path string) error {
	buf := make([]byte, 16*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		if there, err := exists(path); there || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for %s: %w", path, context.Cause(ctx))
		}
		// The directory may be another by now, of which nobody tells.
		_ = f.SetReadDeadline(time.Now().Add(awaitLook))
		if ctx.Err() != nil {
			continue
		}
		_, err := f.Read(buf)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for %s: %w", path, err)
		}
	}
}

func awaitSlices(ctx context.Context, path string) error {
	for {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return fmt.Errorf("wait for %s: %w", path, err)
		}
		if there, err := exists(path); there || err != nil {
			return err
		}
		if err := pause(ctx, awaitSlice); err != nil {
			return fmt.Errorf("wait for %s: %w", path, err)
		}
	}
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, fmt.Errorf("look for %s: %w", path, err)
}
