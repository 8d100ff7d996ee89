//go:build linux

package futex

import "golang.org/x/sys/unix"

// Yield lets others run that wait for this processor, if there are any, before it goes on
// (sched_yield). Where more want to run than there are processors, whoever a waiter waits for is
// often among them: to let it run costs a microsecond, to sleep and to be woken by it ten.
func Yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) } // it cannot fail

// OneProcessor reports whether this process may use one processor only, so that others who
// are bound to it cannot run while it does.
func OneProcessor() bool { return processors() < 2 }
