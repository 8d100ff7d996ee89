//go:build linux

package futex

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of futex(2), without FUTEX_PRIVATE_FLAG.
const (
	opWake       = 1
	opWaitBitset = 9
	matchAny     = 0xffffffff
)

// Wait sleeps while *w is val, until somebody wakes it or the deadline passes. It
// returns nil when it was woken, when *w is not val, and sometimes for no reason:
// the caller checks its condition again. ErrTimeout says that the deadline passed.
// Other errors mean that w is not memory that can be slept on (it was unmapped or
// truncated). The sleep costs no P: the scheduler takes it back.
func Wait(w *atomic.Uint32, val uint32, until Deadline) error {
	var t unix.Timespec
	ts := until.timespec(&t)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), opWaitBitset,
			uintptr(val), uintptr(unsafe.Pointer(ts)), 0, matchAny)
		if errno == 0 || errno == unix.EAGAIN {
			return nil
		}
		if errno == unix.ETIMEDOUT {
			return ErrTimeout
		}
		if errno != unix.EINTR { // then the kernel compares the word again
			return fmt.Errorf("futex wait: %w", errno)
		}
	}
}

// Wake wakes up to n sleepers of w in all processes and returns how many. The kernel
// takes a zero for a one, so that nobody is asked for nobody.
func Wake(w *atomic.Uint32, n int) int {
	if n <= 0 {
		return 0
	}
	n = min(n, math.MaxInt32)
	woken, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), opWake,
		uintptr(n), 0, 0, 0)
	if errno != 0 { // the memory is gone, maybe since somebody fell asleep on it
		Disturb()
		return 0
	}
	return int(woken)
}

// WakeAll wakes every sleeper of w in all processes.
func WakeAll(w *atomic.Uint32) int { return Wake(w, math.MaxInt32) }

// timespec64 is struct __kernel_timespec, which is the same on 32-bit machines.
type timespec64 struct{ sec, nsec int64 }

// waitv is struct futex_waitv of the kernel.
type waitv struct {
	val      uint64
	uaddr    uint64
	flags    uint32
	reserved uint32
}

const (
	sysWaitv = 449
	size32   = 2 // FUTEX2_SIZE_U32, shared
)

// missing reports whether the kernel has no futex_waitv: old ones answer ENOSYS, seccomp
// profiles that do not know it EPERM.
func missing(err error) bool { return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) }

// waitVector sleeps on all words at once by futex_waitv.
func waitVector(words []Word, until Deadline) (int, error) {
	var buf [MaxWords]waitv
	vec := buf[:len(words)]
	for i, w := range words {
		vec[i] = waitv{
			val: uint64(w.Val), uaddr: uint64(uintptr(unsafe.Pointer(w.W))), flags: size32,
		}
	}
	var ts *timespec64
	if until != Never {
		ns := max(int64(until), 0)
		ts = &timespec64{sec: ns / 1e9, nsec: ns % 1e9}
	}
	for {
		n, _, errno := unix.Syscall6(sysWaitv, uintptr(unsafe.Pointer(&vec[0])), uintptr(len(vec)),
			0, uintptr(unsafe.Pointer(ts)), unix.CLOCK_MONOTONIC, 0)
		if errno == 0 {
			return int(n), nil
		}
		if errno == unix.EAGAIN {
			return changed(words), nil
		}
		if errno == unix.ETIMEDOUT {
			return -1, ErrTimeout
		}
		if errno != unix.EINTR { // then the kernel compares the words again
			return -1, errno
		}
	}
}
