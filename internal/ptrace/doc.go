// Package ptrace runs a thread of another process to one of its machine instructions, for
// tests that kill a process at each of them. It is for linux/amd64; elsewhere it is empty.
//
//	runtime.LockOSThread()            // the kernel knows the tracer by its thread
//	th, err := ptrace.Seize(tid)      // ErrForbidden where the system does not allow it
//	err = th.RunToBreakpoint()        // the thread calls runtime.Breakpoint
//	n, end, err := th.Step(100)       // 100 instructions later it is stopped, and alive
//	end, err = th.RunTo(address, 2)   // before the second time that it comes to this one
//	err = unix.Kill(pid, unix.SIGKILL)
//	err = th.Reap()
//
// Only the one thread is stopped: the others of its process go on. A system call is one
// instruction, however long it takes. RunTo uses a debug register, which is the thread's own
// and takes one stop for each visit, where steps would take one for each instruction.
package ptrace
