//go:build amd64 || arm64

package ring

import "unsafe"

// prefetchWrite asks for n cache lines, stride bytes apart, to be written soon. It reads
// and writes nothing and cannot fault.
//
//go:noescape
func prefetchWrite(p unsafe.Pointer, stride, n uint64)
