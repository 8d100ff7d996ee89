package shm

import "unsafe"

// offsetIn returns where addr is inside mem. The address is only compared, never
// turned back into a pointer.
func offsetIn(mem []byte, addr uintptr) (uintptr, bool) {
	base := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	return addr - base, addr >= base && addr-base < uintptr(len(mem))
}
