//go:build !amd64 && !arm64

package ring

import "unsafe"

// prefetchWrite does nothing where there is no instruction for it.
func prefetchWrite(unsafe.Pointer, uint64, uint64) {}
