package ptrace

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrForbidden says that the system does not let us trace: a sandbox, or a setting.
var ErrForbidden = errors.New("tracing is forbidden here")

// An EndError says that the thread ended where it should have stopped.
type EndError struct {
	Status unix.WaitStatus
}

// Error implements error.
func (e *EndError) Error() string {
	if e.Status.Signaled() {
		return fmt.Sprintf("the thread was killed: %v", e.Status.Signal())
	}
	return fmt.Sprintf("the thread exited with %d", e.Status.ExitStatus())
}

// Offsets in the kernel's struct user.
const (
	rspOffset = 19 * 8    // the stack pointer
	ripOffset = 16 * 8    // the instruction pointer
	dr0Offset = 848       // the first debug register: an address
	dr7Offset = 848 + 7*8 // which debug registers count, and for what
)

// executes makes the first debug register one for the execution of an instruction.
const executes = 1

// A Thread is a traced thread. All its methods must be called from the system thread
// that seized it.
type Thread struct {
	tid     int
	running bool // it has not stopped yet since it was seized
	ended   bool
	marker  uint64 // where the thread was after its last breakpoint
}

// Seize begins to trace a thread of a child, which goes on running. It is killed if we
// end. Only a thread that is not the first of its process will do: whoever waits for
// the process would take the stops of that one.
func Seize(tid int) (*Thread, error) {
	err := call(unix.PTRACE_SEIZE, tid, 0, unix.PTRACE_O_EXITKILL)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS):
		return nil, fmt.Errorf("%w: %w", ErrForbidden, err)
	case err != nil:
		return nil, fmt.Errorf("seize thread %d: %w", tid, err)
	}
	return &Thread{tid: tid, running: true}, nil
}

// RunToBreakpoint lets the thread run until its next breakpoint instruction.
func (t *Thread) RunToBreakpoint() error {
	if err := t.resume(unix.PTRACE_CONT); err != nil {
		return err
	}
	pc, err := t.PC()
	t.marker = pc
	return err
}

// RunTo lets the thread run until it is about to execute the instruction at an address for
// the n-th time from now, or comes to the same breakpoint as before: then it is at the end.
func (t *Thread) RunTo(address uint64, n int) (end bool, err error) {
	pc, err := t.PC()
	if err != nil {
		return false, err
	}
	if pc == address { // a breakpoint would stop it before this very instruction
		if _, end, err = t.Step(1); end || err != nil {
			return end, err
		}
	}
	if err := t.watch(address, executes); err != nil {
		return false, err
	}
	for n > 0 {
		if err := t.resume(unix.PTRACE_CONT); err != nil {
			return false, err
		}
		pc, err := t.PC()
		if err != nil {
			return false, err
		}
		switch pc {
		case t.marker:
			return true, t.watch(0, 0)
		case address:
			n--
		default:
			return false, fmt.Errorf("thread %d stopped at %#x", t.tid, pc)
		}
	}
	return false, t.watch(0, 0)
}

// Leave lets a thread that is stopped before the first instruction of a function run until
// that returns.
func (t *Thread) Leave() (end bool, err error) {
	sp, err := peekUser(t.tid, rspOffset)
	if err != nil {
		return false, fmt.Errorf("look at thread %d: %w", t.tid, err)
	}
	var word [8]byte
	if _, err := unix.PtracePeekData(t.tid, uintptr(sp), word[:]); err != nil {
		return false, fmt.Errorf("look at the stack of thread %d: %w", t.tid, err)
	}
	return t.RunTo(binary.NativeEndian.Uint64(word[:]), 1)
}

// watch sets the debug registers of the thread, which has its own.
func (t *Thread) watch(address, what uint64) error {
	err := call(unix.PTRACE_POKEUSR, t.tid, dr7Offset, 0)
	if err == nil {
		err = call(unix.PTRACE_POKEUSR, t.tid, dr0Offset, uintptr(address))
	}
	if err == nil && what != 0 {
		err = call(unix.PTRACE_POKEUSR, t.tid, dr7Offset, uintptr(what))
	}
	if err != nil {
		return fmt.Errorf("set a breakpoint of thread %d: %w", t.tid, err)
	}
	return nil
}

// Step executes n instructions, or fewer if the thread comes to the same breakpoint as
// before: then it is at the end. It returns how many there were.
func (t *Thread) Step(n int) (steps int, end bool, err error) {
	for steps < n {
		if err := t.resume(unix.PTRACE_SINGLESTEP); err != nil {
			return steps, false, err
		}
		steps++
		pc, err := t.PC()
		if err != nil {
			return steps, false, err
		}
		if pc == t.marker {
			return steps, true, nil
		}
	}
	return steps, false, nil
}

// Interrupt stops a thread that runs, wherever it is. Resume lets it go on.
func (t *Thread) Interrupt() error {
	if err := call(unix.PTRACE_INTERRUPT, t.tid, 0, 0); err != nil {
		return fmt.Errorf("interrupt thread %d: %w", t.tid, err)
	}
	_, err := t.wait()
	t.running = false
	return err
}

// Resume lets a stopped thread run on.
func (t *Thread) Resume() error {
	if err := call(unix.PTRACE_CONT, t.tid, 0, 0); err != nil {
		return fmt.Errorf("resume thread %d: %w", t.tid, err)
	}
	t.running = true
	return nil
}

// PC returns the address of the instruction that a stopped thread executes next.
func (t *Thread) PC() (uint64, error) {
	pc, err := peekUser(t.tid, ripOffset)
	if err != nil {
		return 0, fmt.Errorf("look at thread %d: %w", t.tid, err)
	}
	return pc, nil
}

// resume lets the thread run until it traps. Signals for it, other than traps, are
// delivered to it on the way.
func (t *Thread) resume(request int) error {
	signal := uintptr(0)
	for {
		if !t.running {
			if err := call(request, t.tid, 0, signal); err != nil {
				return fmt.Errorf("resume thread %d: %w", t.tid, err)
			}
		}
		t.running = false
		status, err := t.wait()
		if err != nil {
			return err
		}
		event := uint32(status) >> 16 // a stop or a continuation of the whole process
		switch {
		case event != 0:
			signal = 0
		case status.StopSignal() == unix.SIGTRAP:
			return nil
		default:
			signal = uintptr(status.StopSignal())
		}
	}
}

// glances is how often wait looks before it sleeps: a step is over at once.
const glances = 10

// wait waits until the thread stops. That it ended is an error.
func (t *Thread) wait() (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for n := 0; ; n++ {
		found, err := glance(t.tid, &status)
		if err == nil && !found && n >= glances {
			_, err = unix.Wait4(t.tid, &status, unix.WALL, nil)
			found = err == nil
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return status, fmt.Errorf("wait for thread %d: %w", t.tid, err)
		case !found:
			yield()
		case status.Stopped():
			return status, nil
		default:
			t.ended = true
			return status, &EndError{Status: status}
		}
	}
}

// Reap waits until the thread has ended, after its process was killed. The process
// can be waited for only when all its traced threads have been.
func (t *Thread) Reap() error {
	for !t.ended {
		_, err := t.wait() // a stop that came before the kill is passed
		var end *EndError
		if err != nil && !errors.As(err, &end) {
			return err
		}
	}
	return nil
}
