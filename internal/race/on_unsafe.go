//go:build race

package race

import (
	"os"
	"runtime"
	"sync"
	"unsafe"
)

// Enabled reports whether the race detector is on.
const Enabled = true

// EnvVisible makes segments visible to the detector if it is set to 1.
const EnvVisible = "SHMRING_RACE_VISIBLE"

// Visible reports whether segments that are mapped for writing are visible to the
// detector.
var Visible = sync.OnceValue(func() bool { return os.Getenv(EnvVisible) == "1" })

// A Token orders those who use one segment for the detector.
type Token struct {
	words *[orders]uint64 // addresses only
	deaf  bool            // acquires nothing: the detector sees the memory itself
}

var tokens sync.Map // instance id to *[orders]uint64; as many as segments were attached

// For returns the token of an attachment of the segment with that instance id.
func For(id [16]byte, readOnly bool) *Token {
	w, ok := tokens.Load(id)
	if !ok {
		w, _ = tokens.LoadOrStore(id, new([orders]uint64))
	}
	words, ok := w.(*[orders]uint64)
	if !ok {
		panic("race: foreign value in the table of tokens")
	}
	return &Token{words: words, deaf: Visible() && !readOnly}
}

// Release is called before something is given to others.
func (t *Token) Release(o Order) { runtime.RaceReleaseMerge(unsafe.Pointer(&t.words[o])) }

// Acquire is called after something was taken that others gave.
func (t *Token) Acquire(o Order) {
	if !t.deaf {
		runtime.RaceAcquire(unsafe.Pointer(&t.words[o]))
	}
}
