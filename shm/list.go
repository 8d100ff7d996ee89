//go:build linux

package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shmring/internal/layout"
)

// List returns the segments of a directory (empty: Dir()), sorted by name. It opens
// them read-only, one after the other, and disturbs nobody. A file that goes while it
// looks is left out.
func List(dir string) ([]Entry, error) {
	if err := layout.Supported(); err != nil {
		return nil, err
	}
	if dir == "" {
		dir = Dir()
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var entries []Entry
	for _, file := range files {
		name, ok := nameOf(file.Name())
		if !ok {
			continue
		}
		e := Entry{Name: name, Path: filepath.Join(dir, file.Name())}
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			e.Size, e.Mode, e.ModTime = info.Size(), info.Mode(), info.ModTime()
			err = e.read()
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		e.Err = err
		entries = append(entries, e)
	}
	return entries, nil
}

// read fills in what the file itself says.
func (e *Entry) read() error {
	f, err := openPath(e.Path, true)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened read-only
	fd := int(f.Fd())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("stat %s: %w", e.Path, err)
	}
	e.UID, e.GID = st.Uid, st.Gid
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%s: %w: it is no regular file", e.Path, ErrLayout)
	}
	var bad error
	if e.Header, e.Geometry, bad = readHeader(f, uint64(st.Size)); bad != nil {
		bad = headerError(e.Path, bad)
	}
	// The exclusive question sees the shared locks of all who are attached.
	for _, base := range []int64{layout.LockBase, lockBase(e.Header)} {
		held, err := heldByte(fd, unix.F_WRLCK, base+layout.LockAttached)
		if err != nil {
			return errors.Join(bad, err)
		}
		e.Attached = e.Attached || held
	}
	return bad
}

func readHeader(f *os.File, size uint64) (layout.Header, layout.Geometry, error) {
	page := make([]byte, layout.PageSize)
	n, err := unix.Pread(int(f.Fd()), page, 0)
	if err != nil {
		return layout.Header{}, layout.Geometry{}, fmt.Errorf("read the header: %w", err)
	}
	return layout.Decode(page[:n], size)
}

// lockBase returns where a segment of any layout version has its lock bytes: the field
// never moves. Bytes that are no segment's are locked where ours would be.
func lockBase(h layout.Header) int64 {
	const limit = 1<<63 - 1 - layout.LockParticipant - layout.MaxParticipants
	if h.Magic == layout.Magic && h.LockBase >= layout.PageSize && h.LockBase < limit {
		return int64(h.LockBase)
	}
	return layout.LockBase
}
