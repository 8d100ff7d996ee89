package manager

import (
	"bytes"
	"context"
	"fmt"

	"shmring/channel"
)

// DefaultAsyncLimit is how many messages of one channel SendAsync keeps at most.
const DefaultAsyncLimit = 1024

// A Completion is the future end of a SendAsync.
type Completion struct {
	done chan struct{}
	err  error
}

// Done is closed when the message was accepted or given up.
func (c *Completion) Done() <-chan struct{} { return c.done }

// Wait waits for that, or for the end of ctx, and returns the error of the send.
func (c *Completion) Wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// an outgoing message of SendAsync.
type outgoing struct {
	payload []byte
	done    *Completion
}

// SendAsync sends a copy of p later, in the order of the calls, and returns at once. What
// became of it is told by the Completion. It fails with channel.ErrFull if
// DefaultAsyncLimit messages of this channel are on their way, so that a receiver that is
// slow is felt. One goroutine for each channel sends them, in batches, from the first call
// until nothing is left; Options.OnOperation, if it is called there, must not call Close,
// Forget, Flush or Shutdown, or wait for a Completion of the channel: they wait for it. Shutdown
// and Close wait for what is on its way: Shutdown until it was accepted, for up to half of the
// channel's time, before the channel is sealed; Close gives it up with channel.ErrClosed.
func (c *Channel) SendAsync(p []byte) (*Completion, error) {
	out := outgoing{bytes.Clone(p), &Completion{done: make(chan struct{})}}
	c.outMu.Lock()
	defer c.outMu.Unlock()
	switch {
	case c.life.Err() != nil:
		return nil, context.Cause(c.life)
	case len(c.out)+c.outBusy >= DefaultAsyncLimit:
		return nil, fmt.Errorf("manager: channel %q: %w: %d messages are on their way", c.name,
			channel.ErrFull, DefaultAsyncLimit)
	}
	c.out, c.outLast = append(c.out, out), out.done
	if c.outIdle == nil {
		c.outIdle = make(chan struct{})
		go c.sendOut()
	}
	return out.done, nil
}

// Flush waits until everything that SendAsync was given before has been accepted or given up.
// The errors are told by the Completions.
func (c *Channel) Flush(ctx context.Context) error {
	c.outMu.Lock()
	last := c.outLast // those before it are done earlier
	c.outMu.Unlock()
	if last == nil {
		return nil
	}
	select {
	case <-last.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("manager: channel %q: messages are on their way: %w", c.name,
			context.Cause(ctx))
	}
}

// awaitIdle waits for the end of sendOut. Nothing may be given to SendAsync any more.
func (c *Channel) awaitIdle() {
	c.outMu.Lock()
	idle := c.outIdle
	c.outMu.Unlock()
	if idle != nil {
		<-idle
	}
}

// sendOut sends what there is until nothing is left.
func (c *Channel) sendOut() {
	for {
		c.outMu.Lock()
		batch := c.out
		c.out, c.outBusy = nil, len(batch)
		if len(batch) == 0 {
			close(c.outIdle)
			c.outIdle, c.outLast = nil, nil
			c.outMu.Unlock()
			return
		}
		c.outMu.Unlock()
		payloads := make([][]byte, len(batch))
		for i, o := range batch {
			payloads[i] = o.payload
		}
		n, err := c.SendBatch(c.life, payloads)
		if c.life.Err() != nil && err != nil {
			err = context.Cause(c.life)
		}
		for i, o := range batch {
			if i >= n {
				o.done.err = err
			}
			close(o.done.done)
		}
	}
}
