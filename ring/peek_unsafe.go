package ring

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// loadBytes copies src, whole words of the segment, by atomic loads: a later load of the
// commit word or the head is not moved before them, which a plain copy would allow on arm64.
func loadBytes(src []byte) []byte {
	dst := make([]byte, len(src))
	for i := 0; i < len(src); i += 8 {
		w := (*atomic.Uint64)(unsafe.Pointer(&src[i])).Load()
		binary.NativeEndian.PutUint64(dst[i:], w)
	}
	return dst
}
