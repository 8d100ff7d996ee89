// Package stream keeps the tokens of a completion between the goroutine that gets them and
// the one that writes them to a client, in a buffer with a limit: a client that does not read
// loses its stream, and delays nobody.
package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"shmring/examples/runner/engine"
)

// DefaultLimit is how many tokens a Stream keeps if nobody chooses another number.
const DefaultLimit = 512

// ErrSlow ends a stream whose client reads too slowly.
var ErrSlow = errors.New("the client reads too slowly")

// A Stream is the way of one completion's tokens. One goroutine calls Push and Fail,
// another Next.
type Stream struct {
	mu     sync.Mutex
	tokens []engine.Token
	limit  int
	err    error         // the end, told when tokens is empty; ErrSlow at once
	wake   chan struct{} // has room for one
	cut    func()        // called once, when the stream was ended by ErrSlow
}

// New returns a Stream that keeps at most limit tokens, or DefaultLimit if that is zero. It
// calls cut, if not nil, when there are more: whoever writes may be stuck in that.
func New(limit int, cut func()) *Stream {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Stream{limit: limit, wake: make(chan struct{}, 1), cut: cut}
}

// Push adds tokens. It never waits. It returns false once the stream has ended: nobody
// needs more of it.
func (s *Stream) Push(ts ...engine.Token) bool {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return false
	}
	for _, t := range ts {
		if t.End != engine.Live {
			s.err = io.EOF
			break
		}
		s.tokens = append(s.tokens, t)
	}
	slow := len(s.tokens) > s.limit
	if slow {
		s.err = fmt.Errorf("%w: %d tokens wait for it", ErrSlow, len(s.tokens))
	}
	ended := s.err != nil
	s.mu.Unlock()
	s.signal()
	if slow && s.cut != nil {
		s.cut()
	}
	return !ended
}

// Fail ends the stream with an error, behind the tokens that are there. One that has ended
// stays as it is.
func (s *Stream) Fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.signal()
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next appends the tokens that are there to dst; it waits for the first. The end is io.EOF,
// or the error that ended the stream.
func (s *Stream) Next(ctx context.Context, dst []engine.Token) ([]engine.Token, error) {
	for {
		s.mu.Lock()
		dst = append(dst, s.tokens...)
		s.tokens = s.tokens[:0]
		err := s.err
		s.mu.Unlock()
		if len(dst) > 0 && !errors.Is(err, ErrSlow) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return dst, context.Cause(ctx)
		}
	}
}
