package manager

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A lateDeadline is a context with the deadline of Options.OpTimeout, whose timer is made
// when somebody asks for the end: only who waits does. Most operations do not wait.
type lateDeadline struct {
	context.Context // of the caller
	until           time.Time

	mu     sync.Mutex
	inner  atomic.Pointer[timed] // nil: nobody has asked
	ceased bool                  // behind mu: the operation is over
}

// timed is a context with its timer.
type timed struct {
	context.Context
	cancel context.CancelFunc
}

// end returns the context with the timer.
func (d *lateDeadline) end() *timed {
	if in := d.inner.Load(); in != nil {
		return in
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if in := d.inner.Load(); in != nil {
		return in
	}
	in := new(timed)
	in.Context, in.cancel = context.WithDeadline(d.Context, d.until)
	if d.ceased {
		in.cancel()
	}
	d.inner.Store(in)
	return in
}

// cease frees the timer at the end of the operation.
func (d *lateDeadline) cease() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ceased = true
	if in := d.inner.Load(); in != nil {
		in.cancel()
	}
}

// Deadline implements context.Context. Who knows it may sleep until then, and look at Err.
func (d *lateDeadline) Deadline() (until time.Time, ok bool) { return d.end().Deadline() }

// Done implements context.Context.
func (d *lateDeadline) Done() <-chan struct{} { return d.end().Done() }

// Err implements context.Context. While nobody has asked for the end, nobody waits for it.
func (d *lateDeadline) Err() error {
	if in := d.inner.Load(); in != nil {
		return in.Err()
	}
	return d.Context.Err()
}

// Value implements context.Context, for package context too, which looks for its own there.
func (d *lateDeadline) Value(key any) any {
	if in := d.inner.Load(); in != nil {
		return in.Value(key)
	}
	return d.Context.Value(key)
}
