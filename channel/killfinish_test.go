//go:build fault

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

// A catch is what a receiver of ours got.
type catch struct {
	rx    *channel.Receiver
	seen  [writers]uint64 // a bit for each message
	again [writers]uint64 // those that said that they came again
	next  [writers]uint64
	err   error
	done  chan struct{}
}

// collect receives until the end of the channel.
func (x *killTrial) collect(rx *channel.Receiver) {
	x.got = &catch{rx: rx, done: make(chan struct{})}
	go func() {
		defer close(x.got.done)
		x.got.err = x.got.run(x.ctx)
	}()
}

func (c *catch) run(ctx context.Context) error {
	for {
		m, err := c.rx.Recv(ctx)
		switch {
		case errors.Is(err, channel.ErrPeerDead):
			continue
		case errors.Is(err, io.EOF), errors.Is(err, channel.ErrClosed):
			return nil
		case errors.Is(err, channel.ErrCorrupt), errors.Is(err, channel.ErrState):
			shmtest.Yield() // until somebody has called Recover
			continue
		case err != nil:
			return err
		}
		if err := c.take(m); err != nil {
			return err
		}
	}
}

func (c *catch) take(m channel.Message) error {
	defer m.Release()
	who, i, err := verify(m.Bytes())
	if err != nil {
		return err
	}
	if i < c.next[who] {
		return fmt.Errorf("sender %d: message %d after %d", who, i, c.next[who]-1)
	}
	c.next[who] = i + 1
	c.seen[who] |= 1 << i
	if m.Redelivered() {
		c.again[who] |= 1 << i
	}
	return nil
}

// A company is a sender beside the victim, with an attachment of its own.
type company struct {
	ch   *channel.Channel
	err  error
	stop atomic.Bool
}

// each is how many messages each company sends: more than there are slots.
const each = 20

func (x *killTrial) accompany(number int) error {
	ch, err := channel.Open(x.ctx, "q", channel.OpenOptions{Dir: x.dir})
	if err != nil {
		return err
	}
	tx, err := ch.TrySender()
	if err != nil {
		return err
	}
	c := &company{ch: ch}
	x.others = append(x.others, c)
	x.group.Go(func() {
		c.err = c.send(x, tx, number)
		c.err = errors.Join(c.err, tx.Close())
	})
	return nil
}

func (c *company) send(x *killTrial, tx *channel.Sender, number int) error {
	for i := uint64(0); i < each && !c.stop.Load(); {
		x.book.begun[number].Store(i + 1)
		err := tx.Send(x.ctx, message(uint64(number), i))
		switch {
		case err == nil:
			i++
			x.book.acked[number].Store(i)
		case errors.Is(err, channel.ErrPeerDead):
			shmtest.Yield() // a successor is on its way
		case errors.Is(err, channel.ErrDraining), errors.Is(err, channel.ErrClosed),
			errors.Is(err, channel.ErrState): // sealed, or half-way of a rollback
			x.book.begun[number].Store(i)
			return nil
		default:
			return err
		}
	}
	return nil
}

// finish is what comes after the last victim: somebody repairs the channel, uses it, ends
// it, and looks whether anything is left.
func (x *killTrial) finish() error {
	err := x.reopen()
	if err == nil && x.ch != nil {
		err = x.useAndEnd()
	}
	for _, c := range x.others {
		c.stop.Store(true)
	}
	x.group.Wait()
	for _, c := range x.others {
		err = errors.Join(err, c.err, c.ch.Close())
	}
	if x.got != nil {
		<-x.got.done
		err = errors.Join(err, x.got.err)
	}
	if x.ch != nil {
		err = errors.Join(err, x.ch.Close())
	}
	if x.watch != nil {
		x.counts.holes += int64(x.watch.Stats().Holes)
		err = errors.Join(err, announced(x.watch))
	}
	if x.role == "announcer" {
		rerr := channel.Remove(x.ctx, successor, channel.RemoveOptions{Dir: x.dir})
		if !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// reopen attaches, if we are not. Afterwards x.ch is nil if the channel is gone.
func (x *killTrial) reopen() error {
	if x.ch != nil {
		return nil
	}
	ch, err := channel.Open(x.ctx, "q", channel.OpenOptions{Dir: x.dir})
	switch {
	case err == nil:
		x.ch = ch
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case x.setting == absent: // killed before it was there
		x.ch, err = channel.OpenOrCreate(x.ctx, "q", plain(x.dir, x.kind))
		return err
	case !x.over:
		return fmt.Errorf("nobody ended the channel: %w", err)
	}
	return nil
}

// useAndEnd makes the channel usable, sends through it, and shuts it down.
func (x *killTrial) useAndEnd() error {
	ch := x.ch
	if s := ch.State(); s == state.Error || s == state.Recovering {
		if err := mend(x.ctx, ch); err != nil {
			if x.final(err) {
				return x.giveUp()
			}
			return fmt.Errorf("recover: %w", err)
		}
	}
	if x.got == nil {
		rx, err := ch.Receiver(x.ctx) // somebody may be settling the place just now
		if err != nil {
			return err
		}
		x.collect(rx)
	}
	x.group.Wait() // all that the living wanted to send is sent, or refused
	if ch.State() == state.Active {
		if err := x.probe(); err != nil {
			return fmt.Errorf("send again: %w", err)
		}
	}
	if err := x.drain(); err != nil {
		return err
	}
	if _, err := ch.Shutdown(x.ctx, channel.ShutdownOptions{}); err != nil {
		return err
	}
	if s := ch.State(); s != state.Closed {
		return fmt.Errorf("state %v after a shutdown", s)
	}
	return nil
}

// drain seals the channel and waits until our receiver got its end. Damage may be found at
// any time until then.
func (x *killTrial) drain() error {
	for {
		err := x.ch.Seal("end")
		if x.ch.State() == state.Error {
			err = mend(x.ctx, x.ch)
		}
		switch {
		case x.final(err):
			if err := x.giveUp(); err != nil {
				return err
			}
		case err != nil && !errors.Is(err, channel.ErrState) && !errors.Is(err, channel.ErrCorrupt):
			return err
		}
		select {
		case <-x.got.done:
			return nil
		default:
			shmtest.Yield()
		}
	}
}

// final reports whether err says that a damaged channel was being closed when the damage
// was found: nothing but a forced end is left then.
func (x *killTrial) final(err error) bool {
	return errors.Is(err, channel.ErrState) && x.over && x.setting >= poisoned
}

// giveUp ends a channel by force.
func (x *killTrial) giveUp() error {
	x.forced = true
	_, err := x.ch.Shutdown(x.ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	return err
}

// probe sends all sizes: there is room again, whatever the dead had reserved.
func (x *killTrial) probe() error {
	const number = writers - 1
	tx, err := x.ch.Sender(x.ctx)
	if err != nil {
		return err
	}
	s := &script{victimPart: victimPart{ctx: x.ctx, number: number, book: x.book}, tx: tx}
	for range 2 {
		err := s.all(x.ctx)
		if errors.Is(err, channel.ErrCorrupt) || errors.Is(err, channel.ErrState) {
			break // damage that our receiver just found
		}
		if errors.Is(err, channel.ErrClosed) && x.over {
			break // sealed by somebody who died before he could say so, and drained maybe
		}
		if err != nil {
			return err
		}
	}
	return tx.Close()
}

// history looks whether every recorded change of state was a legal one, and whether
// nothing is left of the trial.
func (x *killTrial) history() error {
	if x.watch != nil {
		for _, h := range x.watch.History() {
			want, err := state.Next(h.From, h.Word.State(), h.Word.Forced())
			if err != nil || want != h.Word {
				return fmt.Errorf("change of state from %v to %v: %w", h.From, h.Word, err)
			}
		}
		if err := x.watch.Close(); err != nil {
			return err
		}
	}
	left, err := os.ReadDir(x.dir)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		x.counts.leaked++
		return fmt.Errorf("left behind: %v", left)
	}
	return nil
}
