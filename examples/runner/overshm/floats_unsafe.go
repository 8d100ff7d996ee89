package overshm

import (
	"fmt"
	"unsafe"
)

// floats returns the same memory as float32s, in the byte order of the machine: both sides
// are on it.
func floats(b []byte) ([]float32, error) {
	if len(b) == 0 {
		return nil, nil
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if uintptr(p)%unsafe.Alignof(float32(0)) != 0 {
		return nil, fmt.Errorf("memory at %p is not aligned for float32", p)
	}
	return unsafe.Slice((*float32)(p), len(b)/4), nil
}
