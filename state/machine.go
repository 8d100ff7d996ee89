package state

import (
	"errors"
	"fmt"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
)

// A Machine reads and moves the state word of one channel. It keeps nothing of its
// own and may be used concurrently.
type Machine struct{ ctl *layout.Control }

// New returns the Machine over the control words of a segment.
func New(c *layout.Control) *Machine { return &Machine{ctl: c} }

// Load returns the state word now.
func (m *Machine) Load() Word { return Word(m.ctl.State.V.Load()) } // sync: state

// A Change is a move to make and what to record of it.
type Change struct {
	To      State
	Forced  bool   // give up what is left; for CLOSING
	Reason  string // up to 160 bytes
	By      Actor
	Between func() error // runs after the record and before the word: the seal
}

// Move makes one change from the word that the caller saw. The caller holds the
// control lock. The order is: record, seal (Between), word. It wakes nobody; WakeAll
// does. It returns an *IllegalError if the table has no such move, and ErrChanged if
// the word is not from any more, which only the receiver's Finish can cause.
func (m *Machine) Move(from Word, c Change) (Word, error) {
	next, err := Next(from, c.To, c.Forced)
	if err != nil {
		return from, err
	}
	if now := m.Load(); now != from {
		return now, ErrChanged
	}
	m.record(from, next, c)
	fault.Point("state.move.recorded")
	if c.Between != nil {
		if err := c.Between(); err != nil {
			return from, fmt.Errorf("change the state from %s to %s: %w", from.State(), c.To, err)
		}
	}
	fault.Point("state.move.between")
	if !m.ctl.State.V.CompareAndSwap(uint32(from), uint32(next)) { // sync: state
		return m.Load(), ErrChanged
	}
	fault.Point("state.move.done")
	return next, nil
}

// Finish moves DRAINING to CLOSING for a receiver that took the last message. It
// needs no lock and writes no record.
func (m *Machine) Finish(from Word) (Word, error) {
	if from.State() != Draining {
		return from, &IllegalError{From: from.State(), To: Closing, Final: from.Final()}
	}
	next, err := Next(from, Closing, false)
	if err != nil {
		return from, err
	}
	if !m.ctl.State.V.CompareAndSwap(uint32(from), uint32(next)) { // sync: state
		return m.Load(), ErrChanged
	}
	return next, nil
}

// WakeAll wakes every sleeper of the channel in every process: after a change of
// state, an arrival, a departure, a death.
func (m *Machine) WakeAll() {
	for _, e := range []*layout.Event{
		&m.ctl.Data, &m.ctl.Space, &m.ctl.StateEvent, &m.ctl.Membership,
	} {
		futex.Broadcast(e)
	}
}

// Wait sleeps until done accepts the state word, and returns that word. It returns
// futex.ErrTimeout when the deadline passes.
func (m *Machine) Wait(done func(Word) bool, until futex.Deadline) (Word, error) {
	for {
		seq := futex.Sample(&m.ctl.StateEvent) // sync: seq
		if w := m.Load(); done(w) {
			return w, nil
		}
		err := futex.Wait(&m.ctl.StateEvent.Seq, seq, until)
		if errors.Is(err, futex.ErrTimeout) {
			w := m.Load()
			if done(w) {
				return w, nil
			}
			return w, err
		}
		if err != nil {
			return m.Load(), err
		}
	}
}
