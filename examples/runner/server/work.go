package server

import (
	"context"
	"sync"
)

// Work counts the requests under way, for a Transport that is to be drained.
type Work struct {
	mu      sync.Mutex
	drained bool
	n       int
	fewer   chan struct{} // has room for one: n fell
}

// NewWork returns a Work without any.
func NewWork() *Work { return &Work{fewer: make(chan struct{}, 1)} }

// Begin counts a request in, or returns ErrDraining. End must follow.
func (w *Work) Begin() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.drained {
		return ErrDraining
	}
	w.n++
	return nil
}

// End counts a request out.
func (w *Work) End() {
	w.mu.Lock()
	w.n--
	w.mu.Unlock()
	select {
	case w.fewer <- struct{}{}:
	default:
	}
}

// Drain refuses further requests and waits until none is left, telling how many are.
func (w *Work) Drain(ctx context.Context, left func(int)) error {
	for {
		w.mu.Lock()
		w.drained = true
		n := w.n
		w.mu.Unlock()
		if left(n); n == 0 {
			return nil
		}
		select {
		case <-w.fewer:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
