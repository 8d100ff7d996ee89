// Package engine is the loop of a runner: continuous batching over the sequences that are
// live. It knows no transport; what brings it requests and takes its tokens is a Port.
package engine

import (
	"context"
	"time"
)

// A Request asks for a completion, or, if Dimensions is not zero, for an embedding.
type Request struct {
	ID         uint64 // chosen by the server; unique while it lives
	Prompt     string
	Seed       uint64
	Max        int // tokens to generate
	Dimensions int // of the embedding
}

// An End says why a sequence has no more tokens.
type End uint8

// Reasons to end.
const (
	Live      End = iota // it goes on
	Done                 // all that was asked for
	Cancelled            // nobody wants it any more
)

// A Token is one token of one sequence; with an End other than Live it has none, and is the
// last word about the sequence.
type Token struct {
	ID    uint64
	Index uint32 // in its sequence, from zero
	Byte  byte
	End   End
}

// A Status says what a runner does.
type Status struct {
	Live   int       // sequences in the batch
	Steps  uint64    // so far
	Tokens uint64    // so far
	Freed  uint64    // sequences that were cancelled, so far
	Last   time.Time // when the last of those was freed; zero: none was
}

// A Port is the runner's side of a transport. The engine calls it from one goroutine, but
// for Embedding.
type Port interface {
	// Take fills dst with requests that are there and returns how many. If there are none it
	// waits for the first if told so, and else returns zero. io.EOF: there will be no more,
	// the sequences that are live are to be finished.
	Take(ctx context.Context, dst []Request, wait bool) (int, error)
	// Cancelled appends the requests that were cancelled since the last call. Where there
	// are none it costs next to nothing: it is called in each step.
	Cancelled(dst []uint64) []uint64
	// Send sends the tokens of a step in order and returns how many it sent. It waits for
	// room; if a cancel comes meanwhile it returns early, without an error.
	Send(ctx context.Context, ts []Token) (int, error)
	// Embedding sends the embedding of a request: fill writes it in place.
	Embedding(ctx context.Context, id uint64, dimensions int, fill func([]float32)) error
	// Tell publishes the status. It never waits.
	Tell(Status)
}
