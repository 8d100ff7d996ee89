//go:build linux && amd64

package channel_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A tracer follows the system calls of one process, as strace does, and lets one of them
// fail or kills the process there. It sees the calls that are about our files, mappings and
// words only: those of the Go runtime must work.
//
// Strace itself cannot tell our futexes from those of the runtime, and counts by thread.
type tracer struct {
	dir    string // of segments
	inject *injection

	pid     int
	inside  bool            // between the marks
	threads map[int]*thread // by id; present: it is inside of a system call
	fds     map[int]bool    // opened by us
	maps    [][2]uint64     // mapped by us
	counts  map[string]int  // calls of ours, by name
	order   []string        // names in the order of their first call
	unknown map[uint64]bool // numbers that nobody has classified
	hit     bool            // the injection was made
}

// A thread is what is known of a system call between its entry and its exit.
type thread struct {
	number uint64
	args   [6]uint64
	name   string // empty: none of ours
	fail   bool   // it is not made, and fails
	last   bool   // a kill comes when it is done
}

// An injection is what shall happen at the nth call of that name.
type injection struct {
	name  string
	nth   int
	errno unix.Errno // 0: the process is killed
	after bool       // killed when the call is done, not before
}

func (i *injection) String() string {
	if i == nil {
		return "nothing injected"
	}
	what := "fails with " + unix.ErrnoName(i.errno)
	switch {
	case i.errno == 0 && i.after:
		what = "is the last thing done before a kill"
	case i.errno == 0:
		what = "is where a kill comes"
	}
	return fmt.Sprintf("call %d of %s %s", i.nth, i.name, what)
}

// Marks are paths that the traced process asks for where the part to be traced begins and
// ends.
const (
	markBegin = "/shmring-begin"
	markEnd   = "/shmring-end"
)

// errUntraceable says that this system does not let us trace a child.
var errUntraceable = errors.New("cannot trace a process here")

func mark(path string) { _ = unix.Access(path, unix.F_OK) }

// run starts the test binary as a child with these files and follows it to its end. It has
// a thread of its own: the kernel knows a tracer by its thread.
func (tr *tracer) run(env, args []string, files []*os.File) (unix.WaitStatus, error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
	tr.threads, tr.fds = make(map[int]*thread), make(map[int]bool)
	tr.counts, tr.unknown = make(map[string]int), make(map[uint64]bool)
	p, err := os.StartProcess(os.Args[0], append([]string{os.Args[0]}, args...), &os.ProcAttr{
		Env: env, Files: files, Sys: &unix.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errUntraceable, err)
	}
	tr.pid = p.Pid
	if err := p.Release(); err != nil {
		return 0, err
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(tr.pid, &ws, unix.WALL, nil); err != nil {
		return 0, err
	}
	if !ws.Stopped() {
		return ws, nil
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(tr.pid, options); err != nil {
		tr.kill()
		_, _ = unix.Wait4(tr.pid, &ws, unix.WALL, nil)
		return 0, fmt.Errorf("%w: %w", errUntraceable, err)
	}
	return tr.follow()
}

// follow goes from stop to stop until the process is gone.
func (tr *tracer) follow() (unix.WaitStatus, error) {
	tid, signal := tr.pid, 0
	for {
		err := unix.PtraceSyscall(tid, signal)
		if err != nil && err != unix.ESRCH { // killed meanwhile: its end comes
			return 0, fmt.Errorf("go on: %w", err)
		}
		var ws unix.WaitStatus
		for {
			tid, err = unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return 0, fmt.Errorf("wait for the traced: %w", err)
			}
			if ws.Stopped() {
				break
			}
			if tid == tr.pid {
				return ws, nil
			}
		}
		signal = 0
		switch sig := ws.StopSignal(); sig {
		case unix.SIGTRAP | 0x80:
			tr.stop(tid)
		case unix.SIGTRAP, unix.SIGSTOP: // a new thread, or news of one
		default:
			signal = int(sig)
		}
	}
}

// stop looks at a system call, at its entry or its exit.
func (tr *tracer) stop(tid int) {
	var r unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &r) != nil {
		return // killed meanwhile
	}
	th := tr.threads[tid]
	if th == nil {
		th = &thread{
			number: r.Orig_rax, args: [6]uint64{r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9},
		}
		tr.threads[tid] = th
		if tr.enter(tid, th) {
			r.Orig_rax = ^uint64(0) // none
			_ = unix.PtraceSetRegs(tid, &r)
		}
		return
	}
	delete(tr.threads, tid)
	if th.name == "" {
		return
	}
	switch {
	case th.fail:
		r.Rax = -uint64(tr.inject.errno)
		_ = unix.PtraceSetRegs(tid, &r)
	case th.last:
		tr.kill()
	}
	tr.leave(th, r.Rax)
}

// enter classifies a call, counts it, and reports whether it shall not be made.
func (tr *tracer) enter(tid int, th *thread) bool {
	th.name = tr.ours(tid, th)
	if th.name == "" {
		return false
	}
	if tr.counts[th.name] == 0 {
		tr.order = append(tr.order, th.name)
	}
	tr.counts[th.name]++
	in := tr.inject
	if in == nil || tr.hit || th.name != in.name || tr.counts[th.name] != in.nth {
		return false
	}
	tr.hit = true
	th.fail, th.last = in.errno != 0, in.after
	if !th.fail && !th.last {
		tr.kill()
	}
	return th.fail
}

func (tr *tracer) kill() { _ = unix.Kill(tr.pid, unix.SIGKILL) }

// leave learns from what came of a call.
func (tr *tracer) leave(th *thread, result uint64) {
	if int64(result) < 0 {
		return
	}
	switch th.number {
	case unix.SYS_OPENAT, unix.SYS_INOTIFY_INIT1:
		tr.fds[int(result)] = true
	case unix.SYS_FCNTL: // a segment's descriptor is moved up, above that of inotify
		if op := th.args[1]; op == unix.F_DUPFD_CLOEXEC || op == unix.F_DUPFD {
			tr.fds[int(result)] = true
		}
	case unix.SYS_CLOSE:
		delete(tr.fds, int(th.args[0]))
	case unix.SYS_MMAP:
		tr.maps = append(tr.maps, [2]uint64{result, result + th.args[1]})
	case unix.SYS_MUNMAP:
		tr.maps = slices.DeleteFunc(tr.maps, func(m [2]uint64) bool { return m[0] == th.args[0] })
	}
}

// path reads a path of the traced process.
func (tr *tracer) path(tid int, at uint64) string {
	var buf [256]byte
	n, _ := unix.PtracePeekData(tid, uintptr(at), buf[:]) // less at the end of its memory
	text, _, _ := bytes.Cut(buf[:n], []byte{0})
	return string(text)
}

func (tr *tracer) ourPath(path string) bool {
	return strings.HasPrefix(path, tr.dir) || strings.HasPrefix(path, "/proc/") ||
		strings.HasPrefix(path, "/sys/")
}

func (tr *tracer) mapped(at uint64) bool {
	return slices.ContainsFunc(tr.maps, func(m [2]uint64) bool { return m[0] <= at && at < m[1] })
}
