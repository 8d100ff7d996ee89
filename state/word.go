package state

import (
	"errors"
	"fmt"
)

// A State is one step in the life of a channel.
type State uint8

// States. The zero State is none.
const (
	Active     State = iota + 1 // messages are accepted
	Draining                    // sealed: what was accepted is being delivered
	Closing                     // delivered or forced: receivers see the end
	Closed                      // over; the name is gone
	Error                       // sealed: somebody found damage or rolled back
	Recovering                  // under repair by the holder of the control lock
)

var names = [...]string{
	"NONE", "ACTIVE", "DRAINING", "CLOSING", "CLOSED", "ERROR", "RECOVERING",
}

// String returns the state as the documentation spells it.
func (s State) String() string {
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("STATE(%d)", uint8(s))
}

// A Word is a state word as it stands in shared memory.
//
//	31    28  27      26     25            0
//	[ state ][ final ][ forced ][   epoch    ]
type Word uint32

const (
	stateShift = 28
	finalBit   = 1 << 27
	forcedBit  = 1 << 26
	epochMask  = forcedBit - 1
)

// NewWord returns the word of a channel that begins its life in s, at epoch 0.
func NewWord(s State) Word { return Word(s) << stateShift }

// State returns the state, which may be none that is known.
func (w Word) State() State { return State(w >> stateShift) }

// Final reports whether CLOSING was reached once.
func (w Word) Final() bool { return w&finalBit != 0 }

// Forced reports whether what is left will not be delivered.
func (w Word) Forced() bool { return w&forcedBit != 0 }

// Epoch returns the number of changes so far, modulo 2^26.
func (w Word) Epoch() uint32 { return uint32(w & epochMask) }

// Valid reports whether w holds a known state with marks that fit it.
func (w Word) Valid() bool {
	s := w.State()
	switch s {
	case Active, Draining, Recovering:
		return !w.Forced() && !w.Final()
	case Closing, Closed:
		return w.Final()
	case Error:
		return w.Final() || !w.Forced()
	}
	return false
}

// String returns the word in a form for people.
func (w Word) String() string {
	text := fmt.Sprintf("%s epoch %d", w.State(), w.Epoch())
	if w.Final() {
		text += " final"
	}
	if w.Forced() {
		text += " forced"
	}
	return text
}

// Errors to test for with errors.Is.
var (
	// ErrIllegal: the table has no such move. errors.As gives an *IllegalError.
	ErrIllegal = errors.New("illegal change of state")
	// ErrChanged: the word is not what the caller saw; look again.
	ErrChanged = errors.New("the state changed meanwhile")
)

// An IllegalError names the move that the table does not have.
type IllegalError struct {
	From, To State
	Final    bool // CLOSING was reached before
}

// Error implements error.
func (e *IllegalError) Error() string {
	if e.Final && e.From == Error {
		return fmt.Sprintf("%s to %s: only CLOSING is left once a channel was closing",
			e.From, e.To)
	}
	return fmt.Sprintf("no way from %s to %s", e.From, e.To)
}

// Is makes an IllegalError an ErrIllegal.
func (e *IllegalError) Is(target error) bool { return target == ErrIllegal }

// legal is the table: the targets of each state.
var legal = [...][]State{
	Active:     {Draining, Error},
	Draining:   {Closing, Error},
	Closing:    {Closed, Error},
	Error:      {Recovering, Closing},
	Recovering: {Active, Error},
	Closed:     nil,
}

// Next returns the word after a move from w to the state to, or an *IllegalError.
// With forced, which only CLOSING takes, what is left is given up; a channel that is
// CLOSING may become forced by a move to CLOSING itself. Forced and final stay.
func Next(w Word, to State, forced bool) (Word, error) {
	from := w.State()
	bad := &IllegalError{From: from, To: to, Final: w.Final()}
	if !w.Valid() || !allowed(w, to, forced) || forced && to != Closing && !w.Forced() {
		return 0, bad
	}
	next := Word(to)<<stateShift | w&(finalBit|forcedBit) | (w+1)&epochMask
	if to == Closing {
		next |= finalBit
	}
	if forced {
		next |= forcedBit
	}
	if !next.Valid() {
		return 0, bad
	}
	return next, nil
}

func allowed(w Word, to State, forced bool) bool {
	from := w.State()
	if from == Closing && to == Closing {
		return forced && !w.Forced()
	}
	for _, s := range legal[from] {
		if s == to {
			return from != Error || !w.Final() || to == Closing
		}
	}
	return false
}
