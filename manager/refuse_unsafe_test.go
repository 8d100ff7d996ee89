//go:build linux

package manager_test

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sysFutexWaitv is futex_waitv(2), for which package unix has no number.
const sysFutexWaitv = 449

// tmpfileBit is what O_TMPFILE has and no other flag of open(2).
const tmpfileBit = unix.O_TMPFILE &^ unix.O_DIRECTORY

// A refusal lets a system call of this process fail, as a seccomp profile does, or a kernel
// that lacks it.
type refusal struct {
	call  uintptr
	arg   uint32 // looked at if bits or value are set
	bits  uint32 // any of them is enough
	value uint32
	errno unix.Errno
}

// install makes it so, for good. The filter is a small program (seccomp(2)), which looks
// at the number of the call and at the lower half of an argument.
func (r refusal) install() error {
	const setModeFilter, allThreads = 1, 1
	const args, argSize = 16, 8 // of struct seccomp_data
	const load, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_RET | unix.BPF_K
	test, k := uint16(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K), r.value
	if r.bits != 0 {
		test, k = unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, r.bits
	}
	if r.bits == 0 && r.value == 0 {
		test, k = unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, 0 // always
	}
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(r.call), Jt: 0, Jf: 3},
		{Code: load, K: args + argSize*r.arg},
		{Code: test, K: k, Jt: 0, Jf: 1},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(r.errno)},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, allThreads,
		uintptr(unsafe.Pointer(&prog)))
	if failed != 0 {
		return fmt.Errorf("install a seccomp filter: %w", failed)
	}
	if r.bits != 0 || r.value != 0 {
		return nil
	}
	if _, _, got := unix.Syscall(r.call, 0, 0, 0); got != r.errno {
		return fmt.Errorf("the filter does not work: %w", got)
	}
	return nil
}
