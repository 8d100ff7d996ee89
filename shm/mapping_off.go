//go:build linux && !race

package shm

import "os"

func mapShared(f *os.File, size int, readOnly bool) ([]byte, error) {
	return mapPlain(f, size, readOnly)
}

func unmapShared(mem []byte) error { return unmapPlain(mem) }
