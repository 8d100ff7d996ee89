package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmring/channel"
)

// Progress says how far a drain is.
type Progress struct {
	channel.Progress
	Bytes uint64        // payload bytes released since the drain began
	Rate  float64       // slots released a second, since the drain began
	ETA   time.Duration // until the rest is released at this rate; zero: not known
}

// Drain seals a channel, so that nobody can send any more, and waits until everything was
// received and released. It tells progress, if not nil, at the start, whenever the head
// moves, and at the end. If messages are left and no receiver lives it tries again by
// Options.Retry, since one may be about to come; then that is channel.ErrPeerDead, and
// Extract can take them. The channel stays sealed, and is not closed.
func (m *Manager) Drain(ctx context.Context, name string, progress func(Progress)) error {
	c, err := m.Channel(name)
	if err != nil {
		return err
	}
	return c.operate(ctx, OpDrain, func(ctx context.Context) (int, error) {
		return 0, m.with(ctx, name, func(ch *channel.Channel) error {
			if progress == nil {
				return ch.Drain(ctx, nil)
			}
			before := ch.Stats().ReceivedBytes
			return ch.Drain(ctx, func(p channel.Progress) {
				progress(estimate(p, ch.Stats().ReceivedBytes-before))
			})
		})
	})
}

// estimate completes a progress.
func estimate(p channel.Progress, bytes uint64) Progress {
	out := Progress{Progress: p, Bytes: bytes}
	if seconds := p.Elapsed.Seconds(); seconds > 0 {
		out.Rate = float64(p.Done) / seconds
	}
	if out.Rate > 0 {
		out.ETA = time.Duration(float64(p.Left) / out.Rate * float64(time.Second))
	}
	return out
}

// Extract seals a channel whose receiver is gone, takes what is left in it, and gives each
// message to take, in order, whose slice is valid until it returns. It returns how many were
// given to take. It ends with an error of take, which has that message then, while those
// behind it stay in the channel; with channel.ErrBusy if a receiver lives; or with that of
// ctx, which also bounds the wait for a living sender in the middle of a message.
func (m *Manager) Extract(
	ctx context.Context, name string, take func(payload []byte) error,
) (taken uint64, err error) {
	c, err := m.Channel(name)
	if err != nil {
		return 0, err
	}
	err = c.operate(ctx, OpDrain, func(ctx context.Context) (int, error) {
		n := 0
		err := m.with(ctx, name, func(ch *channel.Channel) (err error) {
			rx, err := ch.TryReceiver()
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, rx.Close()) }() // also if take panics
			if err = ch.Seal("its messages are extracted"); err == nil {
				n, err = extract(ctx, rx, take)
			}
			return err
		})
		taken += uint64(n)
		return n, err
	})
	return taken, err
}

// extract takes messages until the end.
func extract(
	ctx context.Context, rx *channel.Receiver, take func([]byte) error,
) (taken int, err error) {
	for msg, err := range rx.Messages(ctx) {
		if err != nil {
			return taken, err
		}
		taken++
		if err := take(msg.Bytes()); err != nil {
			return taken, fmt.Errorf("manager: extract: %w", err)
		}
	}
	return taken, nil
}
