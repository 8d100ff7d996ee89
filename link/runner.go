package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"shmring/channel"
	"shmring/state"
)

// A Runner is the runner's side of an instance. Its methods may be called by several
// goroutines.
type Runner struct {
	set      *segments
	id       ID
	requests *channel.Receiver
	control  *channel.Receiver
	tokens   *port
	cancels  cancels
	teller   teller

	turn    chan struct{} // holds one element while nobody is in Recv
	ctx     context.Context
	cancel  context.CancelCauseFunc
	watched chan struct{} // closed when the watch of the server has ended

	mu     sync.Mutex
	extra  []Frame      // control frames of the user's kinds that were met on the way
	extras atomic.Int64 // how many
}

// watchServer ends the runner's context with the server.
func (r *Runner) watchServer() {
	defer close(r.watched)
	first := true
	for c, err := range r.set.control.Watch(r.ctx) {
		if first && err == nil && !hasSender(r.set.control) {
			r.cancel(fmt.Errorf("%w: %w", ErrServerEnded, lastDeath(r.set.control)))
		}
		first = false
		switch {
		case err != nil:
			r.cancel(fmt.Errorf("%w: %w", ErrServerEnded, err))
			return
		case c.Kind == channel.StateChanged && c.State != state.Active:
			r.cancel(fmt.Errorf("%w: %s", ErrServerEnded, c.Reason))
		case c.Role.String() == "sender" && c.Kind == channel.Died:
			r.cancel(fmt.Errorf("%w: %w", ErrServerEnded, &channel.PeerError{
				PID: c.PID, Role: c.Role, Instance: c.Instance, Comm: c.Comm,
			}))
		case c.Role.String() == "sender" && c.Kind == channel.Left:
			r.cancel(fmt.Errorf("%w: it detached", ErrServerEnded))
		}
	}
}

// hasSender reports whether a channel has a sender. Asked after a Watch has begun: one who
// is there is watched, and one who is not will not come.
func hasSender(ch *channel.Channel) bool {
	return slices.ContainsFunc(ch.Participants(), func(p channel.Participant) bool {
		return p.Role.String() == "sender"
	})
}

// lastDeath names the sender of a channel that died last.
func lastDeath(ch *channel.Channel) error {
	for _, d := range slices.Backward(ch.Stats().Deaths) {
		if d.Role.String() == "sender" {
			return &channel.PeerError{
				PID: d.PID, Role: d.Role, Instance: d.Instance, Comm: d.Comm,
			}
		}
	}
	return errors.New("it detached before this runner had joined")
}

// Context returns a context that ends when the server dies, ends this instance, or the
// Runner is closed; its cause says which. It does not end when the link is being stopped:
// then the requests end, and the runner finishes what it has.
func (r *Runner) Context() context.Context { return r.ctx }

// Err returns nil while the server is there, ErrServerEnded when it is not, and
// channel.ErrClosed after Close.
func (r *Runner) Err() error {
	if r.ctx.Err() == nil {
		return nil
	}
	return context.Cause(r.ctx)
}

// Instance returns the identity of this instance, which no other has.
func (r *Runner) Instance() ID { return r.id }

// Draining reports that the server takes no more requests: those that are there are the last.
func (r *Runner) Draining() bool { return r.set.requests.State() != state.Active }

// MaxPayload returns the largest payload of a frame to the server, in bytes.
func (r *Runner) MaxPayload() int { return r.set.tokens.MaxMessage() - HeaderSize }

// Channels returns the segments themselves, for what this package does not do. They must not
// be closed.
func (r *Runner) Channels() (requests, tokens, control *channel.Channel, status *channel.Event) {
	return r.set.requests, r.set.tokens, r.set.control, r.set.status
}

// Close says goodbye: everything that was sent will be received, then the server is told.
// Frames still held stay valid. A second Close returns channel.ErrClosed.
func (r *Runner) Close() error {
	if r.ctx.Err() == nil {
		r.cancel(fmt.Errorf("%w: closed here", channel.ErrClosed))
	}
	<-r.watched
	err := r.set.tokens.Seal("the runner has finished")
	return errors.Join(err, r.set.close())
}

// Send sends a copy of a frame to the server, and waits while the channel is full. End and
// Error end the request for Canceled. Errors are those of channel.Sender.Send, or
// ErrServerEnded.
func (r *Runner) Send(ctx context.Context, f Frame) error {
	if err := r.Err(); err != nil {
		return err
	}
	r.finish(f)
	return r.explain(ctx, r.tokens.send(ctx, f))
}

// SendBatch sends frames in order and returns how many were accepted: all if the error is
// nil, else the first n.
func (r *Runner) SendBatch(ctx context.Context, fs []Frame) (n int, err error) {
	if err := r.Err(); err != nil {
		return 0, err
	}
	for _, f := range fs {
		r.finish(f)
	}
	n, err = r.tokens.sendBatch(ctx, fs)
	return n, r.explain(ctx, err)
}

// SendStep is SendBatch that returns early, without an error, when a cancel or another
// control frame comes while it waits for room: a server that is slow to receive keeps no
// runner from hearing what it says meanwhile. It does not return early for what another
// goroutine takes in, one that is in Recv.
func (r *Runner) SendStep(ctx context.Context, fs []Frame) (n int, err error) {
	for n < len(fs) {
		if err := r.Err(); err != nil {
			return n, err
		}
		done, err := r.tokens.sendStep(ctx, fs[n:], r.control)
		for _, f := range fs[n : n+done] {
			r.finish(f)
		}
		n += done
		switch {
		case errors.Is(err, errControl):
			return n, nil
		case err != nil:
			return n, r.explain(ctx, err)
		}
	}
	return n, nil
}

// Reserve makes room for a frame to the server whose payload of at most n bytes is then
// written in place: blobs need no copy. f.Payload is not used.
func (r *Runner) Reserve(ctx context.Context, f Frame, n int) (Lease, error) {
	if err := r.Err(); err != nil {
		return Lease{}, err
	}
	r.finish(f)
	l, err := r.tokens.reserve(ctx, f, n)
	return l, r.explain(ctx, err)
}

func (r *Runner) finish(f Frame) {
	if f.Kind == End || f.Kind == Error {
		r.cancels.forget(f.ID)
	}
}

// Frames iterates over what the server sends, as Recv returns it. Each frame is valid until
// the next iteration, and is released by the loop. io.EOF ends the loop silently; another
// error is yielded once and ends it too.
func (r *Runner) Frames(ctx context.Context) iter.Seq2[Frame, error] {
	return frames(ctx, r.Recv)
}

// explain says by ErrServerEnded that a call failed because the server is gone.
func (r *Runner) explain(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, channel.ErrEmpty), ctx.Err() != nil && r.ctx.Err() == nil:
		return err
	case errors.Is(err, io.EOF) && r.set.control.State() == state.Active:
		return io.EOF // the control channel outlives the requests
	case r.ctx.Err() != nil && errors.Is(context.Cause(r.ctx), ErrServerEnded):
		return fmt.Errorf("%w: %w", context.Cause(r.ctx), err)
	case r.ctx.Err() != nil: // closed here
		return err
	}
	for _, told := range [...]error{
		channel.ErrPeerDead, channel.ErrClosed, channel.ErrOrphaned, io.EOF,
	} {
		if errors.Is(err, told) {
			return fmt.Errorf("%w: %w", ErrServerEnded, err)
		}
	}
	return err
}
