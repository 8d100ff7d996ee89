package link

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// Errors to test for with errors.Is, besides those of package channel.
var (
	// ErrRunnerEnded: the runner of this instance has ended, unasked. errors.As gives a
	// *EndedError. Return it from the function given to Start, and the next instance begins.
	ErrRunnerEnded = errors.New("the runner has ended")
	// ErrServerEnded: the server has ended, or has ended this instance; Runner.Context ends
	// with it.
	ErrServerEnded = errors.New("the server has ended")
	// ErrProtocol: the other side does not speak what this side expects.
	ErrProtocol = errors.New("protocol")
	// ErrNoLink: this process was not started as a runner.
	ErrNoLink = errors.New("no link")
	// ErrStopped: the Supervisor was stopped or has given up.
	ErrStopped = errors.New("the link has stopped")
)

// An ID is the random identity of one instance of a link: of one runner's life.
type ID [16]byte

// String returns the first half of the identity in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:8]) }

// An EndedError says which runner ended, and how. It is an ErrRunnerEnded.
type EndedError struct {
	Instance ID
	PID      int    // in the server's pid namespace, or the runner's where that is not known
	Joined   bool   // it had attached; if not, it ended while it started
	Err      error  // how: an *exec.ExitError or a *channel.PeerError; nil: it said goodbye
	Note     string // what it was busy with, by its own word
	Asked    bool   // it had been told to finish
}

// Error implements error.
func (e *EndedError) Error() string {
	how := "said goodbye unasked"
	switch {
	case e.Err != nil:
		how = e.Err.Error()
	case e.Asked:
		how = "said goodbye, as asked"
	}
	when := ""
	if !e.Joined {
		when = " before it joined"
	}
	if e.Note != "" {
		when += fmt.Sprintf(" (busy: %s)", e.Note)
	}
	return fmt.Sprintf("runner pid %d of instance %s ended%s: %s", e.PID, e.Instance, when, how)
}

// Is makes an EndedError an ErrRunnerEnded.
func (e *EndedError) Is(target error) bool { return target == ErrRunnerEnded }

// Unwrap returns how it ended.
func (e *EndedError) Unwrap() error { return e.Err }
