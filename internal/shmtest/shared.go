package shmtest

import (
	"os"
	"sync/atomic"

	"github.com/edsrzf/mmap-go"

	"shmring/internal/layout"
)

// Words maps a file of counters, which it creates if need be: what a process stored
// there survives its SIGKILL. The mapping stays until the process ends.
func Words(path string, n int) ([]*atomic.Uint64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // the mapping keeps the content
	if err := f.Truncate(int64(8 * n)); err != nil {
		return nil, err
	}
	mem, err := mmap.MapRegion(f, 8*n, mmap.RDWR, 0, 0)
	if err != nil {
		return nil, err
	}
	words := make([]*atomic.Uint64, n)
	for i := range words {
		words[i] = layout.Word(mem, uint64(8*i))
	}
	return words, nil
}
