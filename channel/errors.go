package channel

import (
	"context"
	"errors"
	"fmt"
	"os"

	"shmring/internal/layout"
	"shmring/ring"
	"shmring/shm"
	"shmring/state"
)

// A sentinel is a fixed error that may also count as others.
type sentinel struct {
	text string
	also []error
}

func (e *sentinel) Error() string { return e.text }

func (e *sentinel) Is(target error) bool {
	for _, err := range e.also {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Errors to test for with errors.Is. All but io.EOF reach the caller inside an
// *OpError. A name that exists, does not exist or may not be used is reported as
// fs.ErrExist, fs.ErrNotExist and fs.ErrPermission.
var (
	// ErrClosed: this handle, or the whole channel, is closed. Also os.ErrClosed.
	ErrClosed error = &sentinel{"closed", []error{os.ErrClosed}}
	// ErrDraining: the channel is sealed and takes no more messages. Also ErrClosed.
	ErrDraining error = &sentinel{"sealed: takes no more messages", []error{ErrClosed}}
	// ErrState: the channel's state does not allow this.
	ErrState = errors.New("wrong state")
	// ErrFull: there is no room now.
	ErrFull = errors.New("full")
	// ErrEmpty: there is no message now.
	ErrEmpty = errors.New("empty")
	// ErrTooBig: the message can never fit; Channel.MaxMessage says what does.
	ErrTooBig = errors.New("message too big")
	// ErrPeerDead: the other side died and nobody took its place. errors.As gives
	// a *PeerError.
	ErrPeerDead = errors.New("peer died")

	// ErrBusy: somebody else holds the role, the lock or the handle.
	ErrBusy = shm.ErrBusy
	// ErrNoHolder: that process takes no part in the channel, or cannot be told from here.
	ErrNoHolder = shm.ErrNoHolder
	// ErrCorrupt: shared memory holds a value that cannot be.
	ErrCorrupt = shm.ErrCorrupt
	// ErrFault: the segment was truncated or punched under us.
	ErrFault = shm.ErrFault
	// ErrLayout: another layout version or another geometry.
	ErrLayout = shm.ErrLayout
	// ErrOrphaned: the segment was unlinked or replaced while attached.
	ErrOrphaned = shm.ErrOrphaned
	// ErrStale: the segment belongs to another boot or instance.
	ErrStale = shm.ErrStale
	// ErrNoSpace: no room in shared memory. Also unix.ENOSPC.
	ErrNoSpace = shm.ErrNoSpace
)

// An OpError says which operation on which channel failed, and in which state the
// channel was then.
type OpError struct {
	Op    string      // "send", "recv", "open", …
	Name  string      // the channel's name; empty if nameless
	State state.State // state of the channel; zero if not attached
	Err   error       // the cause
}

// Error implements error.
func (e *OpError) Error() string {
	name := e.Name
	if name == "" {
		name = "(nameless)"
	}
	if e.State == 0 {
		return fmt.Sprintf("%s %s: %v", e.Op, name, e.Err)
	}
	return fmt.Sprintf("%s %s [%s]: %v", e.Op, name, e.State, e.Err)
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Timeout reports whether a deadline ended the operation.
func (e *OpError) Timeout() bool { return errors.Is(e.Err, context.DeadlineExceeded) }

// A PeerError names the participant that died.
type PeerError struct {
	PID      uint32      // in its own pid namespace
	Role     layout.Role // what it was
	Instance uint64      // its claim number: unique in the life of the segment
	Comm     string      // its command name
}

// Error implements error.
func (e *PeerError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("no living %s", e.Role)
	}
	return fmt.Sprintf("%s pid %d (%s) died", e.Role, e.PID, e.Comm)
}

// Is makes a PeerError an ErrPeerDead.
func (e *PeerError) Is(target error) bool { return target == ErrPeerDead }

// A DiscardedError ends a receiver after a forced close. It is an ErrClosed.
type DiscardedError struct {
	N      uint64 // messages that were accepted and will not be delivered
	Reason string // of the close
}

// Error implements error.
func (e *DiscardedError) Error() string {
	return fmt.Sprintf("closed by force, %d messages discarded: %s", e.N, e.Reason)
}

// Unwrap makes a DiscardedError an ErrClosed.
func (e *DiscardedError) Unwrap() error { return ErrClosed }

// waitError is the end of a context while a call waited: it wraps the cause and
// says who is stuck.
type waitError struct {
	cause error // as the context's owner gave it
	end   error // Canceled or DeadlineExceeded
	stuck string
}

func (e *waitError) Error() string {
	if e.stuck == "" {
		return e.cause.Error()
	}
	return e.cause.Error() + ": " + e.stuck
}

func (e *waitError) Unwrap() []error { return []error{e.cause, e.end} }

func (e *waitError) Timeout() bool { return errors.Is(e.end, context.DeadlineExceeded) }

// fail wraps err for op; nil stays nil, and what is wrapped already stays as it is. It may
// be called after the mapping is gone.
func (ch *Channel) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*OpError](err); done {
		return err
	}
	return &OpError{Op: op, Name: ch.name, State: ch.lastState(), Err: shm.Fault(err)}
}

// openError wraps an error from before there is a Channel.
func openError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*OpError](err); done {
		return err
	}
	return &OpError{Op: op, Name: name, Err: err}
}

// corruption returns what the ring found to be impossible, if err is about that.
func corruption(err error) (*ring.CorruptError, bool) {
	return errors.AsType[*ring.CorruptError](err)
}

// errAgain asks the caller inside this package for another look: something changed
// between two of its steps.
var errAgain = errors.New("again")
