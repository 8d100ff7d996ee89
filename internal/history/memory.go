//go:build linux

package history

import (
	"errors"
	"fmt"
	"os"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// New makes a log for at most n operations, and the file that lets another process write
// it. Memory is taken as it is used; it goes when everybody has closed it or died.
func New(n int) (*Log, *os.File, error) {
	fd, err := unix.MemfdCreate("history", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("make a log: %w", err)
	}
	f := os.NewFile(uintptr(fd), "history")
	if err := f.Truncate(int64(n) * recordBytes); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	l, err := Open(f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return l, f, nil
}

// Open maps the log behind f, to be written from its beginning. The caller may close f.
func Open(f *os.File) (*Log, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	mem, err := mmap.MapRegion(f, int(info.Size()), mmap.RDWR, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("map a log: %w", err)
	}
	return &Log{mem: mem, clock: NewClock()}, nil
}

// Close unmaps the log.
func (l *Log) Close() error {
	mem := mmap.MMap(l.mem)
	l.mem = nil
	return mem.Unmap()
}
