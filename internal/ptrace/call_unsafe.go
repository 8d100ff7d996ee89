//go:build linux && amd64

package ptrace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// These calls never wait, so Go's scheduler is not told of them: telling it, and being given
// another turn afterwards, would take longer than the instruction that is stepped.

// call is ptrace(2).
func call(request, tid int, addr, data uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data,
		0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// peekUser reads a word of the registers of a stopped thread.
func peekUser(tid int, offset uintptr) (uint64, error) {
	var word uint64
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_PEEKUSR, uintptr(tid), offset,
		uintptr(unsafe.Pointer(&word)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return word, nil
}

// glance is wait4(2) without waiting.
func glance(tid int, status *unix.WaitStatus) (found bool, err error) {
	got, _, errno := unix.RawSyscall6(unix.SYS_WAIT4, uintptr(tid),
		uintptr(unsafe.Pointer(status)), unix.WALL|unix.WNOHANG, 0, 0, 0)
	if errno != 0 {
		return false, errno
	}
	return got != 0, nil
}

// yield lets another thread of this machine run.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
