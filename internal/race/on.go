//go:build race

package race

import (
	"sync"
	"sync/atomic"
)

// Enabled reports whether the race detector is on.
const Enabled = true

// A Token orders the sends and receives of one segment for the detector.
type Token struct{ word atomic.Uint64 }

var tokens sync.Map // instance id to *Token; as many as segments were attached

// For returns the token of the segment with that instance id.
func For(id [16]byte) *Token {
	t, _ := tokens.LoadOrStore(id, new(Token))
	token, ok := t.(*Token)
	if !ok {
		panic("race: foreign value in the table of tokens")
	}
	return token
}

// Release is called before a message is published.
func (t *Token) Release() { t.word.Add(1) }

// Acquire is called after a message was taken.
func (t *Token) Acquire() { t.word.Load() }
