//go:build linux

package membarrier

import (
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
)

// Commands of the system call, which x/sys does not name.
const (
	expedited = 1 << 3 // every running thread of this process passes a barrier
	register  = 1 << 4 // this process will ask for that
)

var usable, refused atomic.Bool

var begin = sync.OnceFunc(func() {
	go func() {
		err := enrol()
		usable.Store(err == nil)
		refused.Store(err != nil)
	}()
})

// Prepare says that All may be wanted. It reports false once it is known that the kernel will
// not do it (it does since Linux 4.14; a seccomp profile may forbid it). It asks nothing of the
// kernel yet: registering takes some milliseconds in a process of several threads, and one
// that is killed meanwhile keeps its locks for so long.
func Prepare() bool { return !refused.Load() }

// All makes every thread of this process that runs Go code pass a full memory barrier.
func All() {
	begin() // for those that come later
	if usable.Load() && do() == nil {
		return
	}
	// Not registered yet, or forbidden since. Stopping the world is a barrier too, and slow:
	// each thread gives its processor up, or has given it up, by a locked instruction.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
}

func enrol() error {
	if err := fault.Err("membarrier.register"); err != nil {
		return err
	}
	if err := call(register); err != nil {
		return err
	}
	return call(expedited) // a seccomp profile may know the one and not the other
}

func do() error {
	if err := fault.Err("membarrier.all"); err != nil {
		return err
	}
	return call(expedited)
}

func call(command uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
