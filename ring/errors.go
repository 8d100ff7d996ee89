package ring

import (
	"errors"
	"fmt"

	"shmring/internal/layout"
)

// What the ring says instead of doing something. They are returned bare, so that a
// hot loop may compare with ==.
var (
	// ErrFull says that there is no room now. After some thousand lost races in one
	// call it is returned too, so that no content of the segment can hold a caller.
	ErrFull = errors.New("ring: full")
	// ErrSealed says that the ring accepts nothing any more.
	ErrSealed = errors.New("ring: sealed")
	// ErrTooBig says that no ring of this geometry can ever take this message, or that
	// a commit names more bytes than were reserved.
	ErrTooBig = errors.New("ring: message too big")
	// ErrPending says that this producer has an outstanding reservation.
	ErrPending = errors.New("ring: reservation outstanding")
	// ErrNotPending says that there is no reservation to commit.
	ErrNotPending = errors.New("ring: no reservation outstanding")
	// ErrEmpty says that nothing is reserved or full behind what was received.
	ErrEmpty = errors.New("ring: empty")
	// ErrHole says that the next slot is reserved but not committed.
	ErrHole = errors.New("ring: next slot not committed")
	// ErrEnd says that the ring is sealed and everything in it was received.
	ErrEnd = errors.New("ring: end")
	// ErrCorrupt is matched by every *CorruptError.
	ErrCorrupt = errors.New("ring: corrupt")
)

// A CorruptError reports a word that no correct program can have written. It
// matches ErrCorrupt.
type CorruptError struct {
	Code   layout.PoisonCode // which kind of word
	Detail uint64            // the word
	Text   string            // what is wrong with it
}

// Error describes the word.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("ring: corrupt: %s (word %#016x)", e.Text, e.Detail)
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// corrupt is kept out of line: it allocates, and callers must stay small.
//
//go:noinline
func corrupt(code layout.PoisonCode, word uint64, text string) error {
	return &CorruptError{Code: code, Detail: word, Text: text}
}

// errAgain says inside the package that the next slot changed: look again.
var errAgain = errors.New("ring: look again")
