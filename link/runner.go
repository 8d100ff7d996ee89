package link

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"strconv"
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

// Join attaches to the link whose server started this process. It fails with ErrNoLink if
// none did. The environment variable and the inherited files are used up: children of this
// process get neither.
func Join(ctx context.Context) (*Runner, error) {
	text, ok := os.LookupEnv(EnvLink)
	if !ok {
		return nil, fmt.Errorf("%w: %s is not set: start this program by link.Start, or use "+
			"link.Attach", ErrNoLink, EnvLink)
	}
	where, err := url.ParseQuery(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s=%q: %w", ErrProtocol, EnvLink, text, err)
	}
	if err := os.Unsetenv(EnvLink); err != nil {
		return nil, err
	}
	if name := where.Get("name"); name != "" {
		return Attach(ctx, name, channel.OpenOptions{Dir: where.Get("dir")})
	}
	first, err := strconv.Atoi(where.Get("fd"))
	if err != nil {
		return nil, fmt.Errorf("%w: %s=%q has no descriptor: %w", ErrProtocol, EnvLink, text, err)
	}
	set, err := openFiles(first, channel.OpenOptions{RequirePeer: true})
	if err != nil {
		return nil, fmt.Errorf("the segments that the server handed over: %w", err)
	}
	if id := set.id(); hex.EncodeToString(id[:]) != where.Get("instance") {
		err := fmt.Errorf("%w: the inherited files are of instance %s, %s=%q",
			channel.ErrStale, id, EnvLink, text)
		return nil, errors.Join(err, set.close())
	}
	rx, err := set.control.TryReceiver()
	if err == nil {
		err = expectHello(ctx, rx, set)
	}
	if err != nil {
		return nil, errors.Join(err, set.close())
	}
	return newRunner(ctx, set, rx)
}

// Attach attaches to the link of a name, and waits until a server has created one that no
// other runner has. Of o, Wait and ReadOnly mean nothing.
func Attach(ctx context.Context, name string, o channel.OpenOptions) (*Runner, error) {
	o.Wait, o.ReadOnly, o.RequirePeer = true, false, true
	for {
		r, err := attach(ctx, name, o)
		switch {
		case err == nil:
			return r, nil
		case ctx.Err() != nil, !replaced(err):
			return nil, fmt.Errorf("attach to the link %q: %w", name, err)
		}
	}
}

// replaced reports whether an attempt failed because the instance ended meanwhile, so that
// the next is worth waiting for.
func replaced(err error) bool {
	for _, target := range [...]error{
		fs.ErrNotExist, io.EOF, channel.ErrClosed, channel.ErrOrphaned, channel.ErrPeerDead,
		channel.ErrStale,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func attach(ctx context.Context, name string, o channel.OpenOptions) (*Runner, error) {
	set := &segments{}
	var err error
	if set.control, err = channel.Open(ctx, partName(name, "control"), o); err != nil {
		return nil, err
	}
	rx, err := set.control.Receiver(ctx) // the first runner's; others wait for the next instance
	if err == nil {
		err = set.openRest(ctx, name, o)
	}
	if err == nil {
		err = expectHello(ctx, rx, set)
	}
	if err != nil {
		return nil, errors.Join(err, set.close())
	}
	return newRunner(ctx, set, rx)
}

// expectHello compares the segments with those that the server created together.
func expectHello(ctx context.Context, rx *channel.Receiver, set *segments) error {
	m, err := rx.Recv(ctx)
	if err != nil {
		return err
	}
	f, err := parse(m)
	if err != nil {
		return err
	}
	defer f.Release()
	switch {
	case f.Kind != hello:
		return fmt.Errorf("%w: the control channel begins with a %v", ErrProtocol, f.Kind)
	case f.ID != Version:
		return fmt.Errorf("%w: the server speaks version %d of the link, this program %d",
			ErrProtocol, f.ID, Version)
	case string(f.Payload) != string(set.hello()):
		return fmt.Errorf("%w: the segments are of several instances", channel.ErrStale)
	}
	return nil
}

// newRunner takes the rest of the roles; the sender of the tokens last, by which the server
// knows that the runner is there.
func newRunner(ctx context.Context, set *segments, control *channel.Receiver) (*Runner, error) {
	r := &Runner{
		set: set, id: set.id(), control: control, watched: make(chan struct{}),
		turn: make(chan struct{}, 1),
	}
	r.turn <- struct{}{}
	r.teller.event = set.status
	var err error
	if r.requests, err = set.requests.TryReceiver(); err != nil {
		return nil, errors.Join(err, set.close())
	}
	tx, err := set.tokens.TrySender()
	if err != nil {
		return nil, errors.Join(err, set.close())
	}
	r.tokens = newPort(tx)
	r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	go r.watchServer()
	return r, nil
}

// watchServer ends the runner's context with the server.
func (r *Runner) watchServer() {
	defer close(r.watched)
	for c, err := range r.set.control.Watch(r.ctx) {
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

// Context returns a context that ends when the server dies, ends this instance, or the
// Runner is closed; its cause says which. It does not end when the link is being stopped:
// then the requests end, and the runner finishes what it has.
func (r *Runner) Context() context.Context { return r.ctx }

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
	r.finish(f)
	return r.explain(ctx, r.tokens.send(ctx, f))
}

// SendBatch sends frames in order and returns how many were accepted: all if the error is
// nil, else the first n.
func (r *Runner) SendBatch(ctx context.Context, fs []Frame) (n int, err error) {
	for _, f := range fs {
		r.finish(f)
	}
	n, err = r.tokens.sendBatch(ctx, fs)
	return n, r.explain(ctx, err)
}

// Reserve makes room for a frame to the server whose payload of at most n bytes is then
// written in place: blobs need no copy. f.Payload is not used.
func (r *Runner) Reserve(ctx context.Context, f Frame, n int) (Lease, error) {
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
	case err == nil, ctx.Err() != nil && r.ctx.Err() == nil:
		return err
	case r.ctx.Err() != nil && errors.Is(context.Cause(r.ctx), ErrServerEnded):
		return fmt.Errorf("%w: %w", context.Cause(r.ctx), err)
	case errors.Is(err, channel.ErrPeerDead):
		return fmt.Errorf("%w: %w", ErrServerEnded, err)
	}
	return err
}
