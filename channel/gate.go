package channel

import "context"

// A gate lets the calls of one handle take turns. Its mutex protects the private
// half of the ring (the producer or the consumer); it is held for the length of a
// ring operation and never across a sleep. A call that sleeps, or runs the user's
// code, keeps its turn by the running mark and gives the mutex back, so that
// releases, statistics and close get in between.
//
//	mutex free, not running   nobody is in a call
//	mutex held, not running   a call is in a ring operation
//	mutex free, running       a call sleeps, or a queued one was just given the turn
type gate struct {
	mu      latch
	closed  bool            // no new calls
	running bool            // the turn belongs to a call that does not hold mu
	queue   []chan struct{} // calls that wait for the turn, in order
}

// enter takes the turn and the mutex. It waits while another call has the turn.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	if g.running || g.closed {
		return g.enterSlow(ctx)
	}
	return nil
}

// tryEnter is enter that never waits: ErrBusy if another call has the turn.
func (g *gate) tryEnter() error {
	g.mu.Lock() // held for the length of a ring operation at most, never across a sleep
	var err error
	switch {
	case g.closed:
		err = ErrClosed
	case g.running:
		err = ErrBusy
	default:
		return nil
	}
	g.mu.Unlock()
	return err
}

func (g *gate) enterSlow(ctx context.Context) error {
	if g.closed {
		g.mu.Unlock()
		return ErrClosed
	}
	ticket := make(chan struct{})
	g.queue = append(g.queue, ticket)
	g.mu.Unlock()
	var err error
	select {
	case <-ticket:
		g.mu.Lock()
	case <-ctx.Done():
		g.mu.Lock()
		if g.forget(ticket) {
			g.mu.Unlock()
			return &waitError{
				cause: context.Cause(ctx), end: ctx.Err(),
				stuck: "waiting for a turn on this handle",
			}
		}
		// Given the turn just now: pass it on.
		err = &waitError{cause: context.Cause(ctx), end: ctx.Err()}
	}
	g.running = false
	if err == nil && g.closed {
		err = ErrClosed
	}
	if err != nil {
		g.leave()
	}
	return err
}

// leave gives back the turn and the mutex.
func (g *gate) leave() {
	if len(g.queue) > 0 {
		next := g.queue[0]
		g.queue = g.queue[1:]
		g.running = true
		close(next)
	}
	g.mu.Unlock()
}

// pause gives back the mutex and keeps the turn; resume takes the mutex again.
func (g *gate) pause() {
	g.running = true
	g.mu.Unlock()
}

func (g *gate) resume() {
	g.mu.Lock()
	g.running = false
}

func (g *gate) forget(ticket chan struct{}) bool {
	for i, t := range g.queue {
		if t == ticket {
			g.queue = append(g.queue[:i], g.queue[i+1:]...)
			return true
		}
	}
	return false
}

// shut refuses new calls and, once wake has woken the running one, waits until it
// has left. It reports false if the gate was shut before.
func (g *gate) shut(wake func()) bool {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return false
	}
	g.closed = true
	if !g.running {
		g.mu.Unlock()
		return true
	}
	last := make(chan struct{})
	g.queue = append(g.queue, last)
	g.mu.Unlock()
	wake()
	<-last
	g.mu.Lock()
	g.running = false
	g.leave()
	return true
}
