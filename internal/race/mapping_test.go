package race

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// mapAnonymous returns memory that the race detector does not watch.
func mapAnonymous(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
}

func unmap(t *testing.T, mem []byte) {
	t.Helper()
	if err := unix.Munmap(mem); err != nil {
		t.Error(err)
	}
}

func yield() { runtime.Gosched() }
