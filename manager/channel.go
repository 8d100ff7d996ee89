package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"shmring/channel"
)

// A Channel is a channel under a Manager. It opens its segment, and takes the role of a
// sender or of the receiver, when it is first used for that, and keeps them until it is
// forgotten or the Manager is closed. Its methods may be called by several goroutines.
type Channel struct {
	m      *Manager
	name   string
	spec   Spec
	counts opCounts
	trend  trend
	rates  rates

	life context.Context // until the channel is detached
	end  context.CancelCauseFunc
	// Each is held by who opens the channel, or takes that role: one may be waited for long.
	opening, sending, receiving chan struct{}

	mu  sync.Mutex // for raw to be set, or life to end because nobody could open it
	raw atomic.Pointer[channel.Channel]
	tx  atomic.Pointer[channel.Sender]
	rx  atomic.Pointer[channel.Receiver]

	outMu   sync.Mutex
	out     []outgoing    // of SendAsync, behind outMu
	outBusy int           // being sent, behind outMu
	outIdle chan struct{} // closed when nothing is on its way; nil then, behind outMu
	outLast *Completion   // of the youngest message; nil if nothing is on its way, behind outMu
}

// Name returns the channel's name.
func (c *Channel) Name() string { return c.name }

// Raw returns the channel itself, opening it if need be. What is done with it is in no
// operation count.
func (c *Channel) Raw(ctx context.Context) (*channel.Channel, error) {
	if ch := c.raw.Load(); ch != nil {
		return ch, nil
	}
	err := c.operate(ctx, OpOpen, func(ctx context.Context) (int, error) {
		_, err := c.open(ctx, c.openSpec)
		return 0, err
	})
	return c.raw.Load(), err
}

// Sender returns this process's sender of the channel, taking the role if need be. While
// there is no place for one more, it waits.
func (c *Channel) Sender(ctx context.Context) (*channel.Sender, error) {
	return role(ctx, c, c.sending, &c.tx, (*channel.Channel).Sender)
}

// Receiver returns this process's receiver of the channel, taking the role if need be. While
// another process has it, it waits.
func (c *Channel) Receiver(ctx context.Context) (*channel.Receiver, error) {
	return role(ctx, c, c.receiving, &c.rx, (*channel.Channel).Receiver)
}

// Send sends a copy of p as channel.Sender.Send does, and tries again while the failure may
// pass: see Transient.
func (c *Channel) Send(ctx context.Context, p []byte) error {
	return c.operate(ctx, OpSend, func(ctx context.Context) (int, error) {
		tx, err := c.Sender(ctx)
		if err != nil {
			return 0, err
		}
		if err := tx.Send(ctx, p); err != nil {
			return 0, err
		}
		return 1, nil
	})
}

// SendBatch sends the messages of ps in order and returns how many were accepted: all of
// them if the error is nil, else the first n. It tries again as Send does, with the rest.
func (c *Channel) SendBatch(ctx context.Context, ps [][]byte) (n int, err error) {
	err = c.operate(ctx, OpSend, func(ctx context.Context) (int, error) {
		tx, err := c.Sender(ctx)
		if err != nil {
			return 0, err
		}
		sent, err := tx.SendBatch(ctx, ps[n:])
		n += sent
		return sent, err
	})
	return n, err
}

// Recv returns the next message in place, which must be released. It waits for one as
// channel.Receiver.Recv does, but over the death of senders: their successors are waited
// for. The end is io.EOF.
func (c *Channel) Recv(ctx context.Context) (channel.Message, error) {
	var m channel.Message
	err := c.operate(ctx, OpRecv, func(ctx context.Context) (int, error) {
		rx, err := c.Receiver(ctx)
		if err != nil {
			return 0, err
		}
		if m, err = rx.Recv(ctx); err != nil {
			return 0, err
		}
		return 1, nil
	})
	return m, err
}

// RecvBatch fills dst with the messages that are there and returns how many; it waits for
// the first as Recv does. Each must be released.
func (c *Channel) RecvBatch(ctx context.Context, dst []channel.Message) (n int, err error) {
	err = c.operate(ctx, OpRecv, func(ctx context.Context) (int, error) {
		rx, err := c.Receiver(ctx)
		if err != nil {
			return 0, err
		}
		n, err = rx.RecvBatch(ctx, dst)
		return n, err
	})
	return n, err
}

// operate is Manager.operate for this channel.
func (c *Channel) operate(
	ctx context.Context, kind OpKind, attempt func(context.Context) (int, error),
) error {
	return c.m.operate(ctx, kind, c, attempt)
}

// role returns a role that was taken before, or takes it.
func role[T any](
	ctx context.Context, c *Channel, turn chan struct{}, held *atomic.Pointer[T],
	take func(*channel.Channel, context.Context) (*T, error),
) (*T, error) {
	if r := held.Load(); r != nil {
		return r, nil
	}
	ch, err := c.open(ctx, c.openSpec)
	if err != nil {
		return nil, err
	}
	ctx, done, err := c.takeTurn(ctx, turn)
	if err != nil {
		return nil, err
	}
	defer done()
	if r := held.Load(); r != nil {
		return r, nil
	}
	r, err := take(ch, ctx)
	if err == nil {
		held.Store(r)
	}
	return r, err
}

// takeTurn waits for a turn of this channel, which done gives back. The context that it
// returns ends also when the channel is detached.
func (c *Channel) takeTurn(
	ctx context.Context, turn chan struct{},
) (_ context.Context, done func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(context.Cause(c.life)) })
	end := func() { stop(); cancel(nil) }
	select {
	case turn <- struct{}{}:
		if ctx.Err() == nil && c.life.Err() == nil {
			return ctx, func() { <-turn; end() }, nil
		}
		<-turn
	case <-ctx.Done():
	}
	err = context.Cause(c.life)
	if err == nil {
		err = fmt.Errorf("manager: channel %q: waiting for another call that opens it or "+
			"takes a role: %w", c.name, context.Cause(ctx))
	}
	end()
	return nil, nil, err
}

// open returns the channel, opening it by how if it is not open.
func (c *Channel) open(
	ctx context.Context, how func(context.Context) (*channel.Channel, error),
) (*channel.Channel, error) {
	if ch := c.raw.Load(); ch != nil {
		return ch, nil
	}
	ctx, done, err := c.takeTurn(ctx, c.opening)
	if err != nil {
		return nil, err
	}
	defer done()
	if ch := c.raw.Load(); ch != nil {
		return ch, nil
	}
	ch, err := how(ctx)
	if err == nil && !c.opened(ch) {
		err = ch.Close()
	}
	if c.life.Err() != nil {
		return nil, errors.Join(context.Cause(c.life), err)
	}
	return ch, err
}

// opened sets the channel, unless it was detached meanwhile.
func (c *Channel) opened(ch *channel.Channel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return false
	}
	c.raw.Store(ch)
	return true
}

// neverOpened ends the life of a channel that nobody has opened. It reports false if
// somebody has.
func (c *Channel) neverOpened(why error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw.Load() != nil {
		return false
	}
	c.end(fmt.Errorf("manager: channel %q: %w by the call that registered it: %w", c.name,
		errNeverOpened, why))
	return true
}

// openSpec opens or creates as the spec says.
func (c *Channel) openSpec(ctx context.Context) (*channel.Channel, error) {
	if c.spec.ReadOnly {
		return channel.Open(ctx, c.name, c.spec.OpenOptions)
	}
	if c.spec.Leftover == Replace {
		// Busy: somebody living has it, and it is joined.
		err := channel.Remove(ctx, c.name, channel.RemoveOptions{Dir: c.spec.Dir, Unread: true})
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, channel.ErrBusy) {
			return nil, err
		}
	}
	return channel.OpenOrCreate(ctx, c.name, c.spec.Options)
}

// attached opens a channel that was just registered. If that fails, it is forgotten again,
// unless others had it before.
func (c *Channel) attached(
	ctx context.Context, fresh bool, how func(context.Context) (*channel.Channel, error),
) (*Channel, error) {
	err := c.operate(ctx, OpOpen, func(ctx context.Context) (int, error) {
		_, err := c.open(ctx, how)
		return 0, err
	})
	if err == nil {
		return c, nil
	}
	if fresh && c.neverOpened(err) {
		err = errors.Join(err, c.m.forget(c))
	}
	return nil, err
}

// errNeverOpened is for the users of a channel that was registered and forgotten at once.
var errNeverOpened = fmt.Errorf("%w: it could not be opened", channel.ErrClosed)

// detach closes the channel, if it is open, and refuses every later use.
func (c *Channel) detach() error {
	c.end(errClosed) // if nobody did: whoever opens gives his turn back, and nobody opens after him
	c.awaitIdle()
	c.opening <- struct{}{}
	ch := c.raw.Load()
	<-c.opening
	if ch == nil {
		return nil
	}
	return unlessClosed(ch.Close())
}
