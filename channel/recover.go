package channel

import (
	"context"
	"errors"
	"fmt"

	"shmring/internal/layout"
	"shmring/ring"
	"shmring/state"
)

// Recover repairs the channel: it settles the dead, completes what a dead controller
// left, checks the ring, and brings a channel in state ERROR back to ACTIVE. Slots
// whose control words are damaged are aborted and counted as corrupt; messages that
// are whole are kept. It is harmless on a healthy channel, and may be called again
// by anybody if the caller dies.
//
// ErrBusy says that a living receiver in another process has to call it, because
// only the receiver's side may abort slots. ErrCorrupt: beyond repair; Shutdown or
// remove it. ErrState: the channel is closed or closing.
func (ch *Channel) Recover(ctx context.Context) error {
	return ch.withLock(ctx, "recover", func() error {
		ch.settleDead()
		w := ch.state.Load()
		if w.State() == state.Closed || w.State() == state.Error && w.Final() {
			return fmt.Errorf("%w: %s cannot be recovered; create the channel anew",
				ErrState, w.State())
		}
		if err := ch.ring.Check(); err != nil {
			return ch.stop(err)
		}
		if w.State() != state.Error {
			return nil
		}
		if err := ch.scrub(); err != nil {
			return err
		}
		return ch.reactivate("recovered")
	})
}

// stop makes sure that a damaged channel is in ERROR, for everybody to see.
func (ch *Channel) stop(err error) error {
	if ce, ok := corruption(err); ok {
		ch.ctl.Poison.Code.CompareAndSwap(0, uint32(ce.Code)) // sync: poison
		ch.repairLocked()
	}
	return fmt.Errorf("%w: %w; it cannot be repaired: shut it down by force or remove it",
		ErrCorrupt, err)
}

// scrub aborts damaged slots, as the receiver: only its side may touch the slots of
// others.
func (ch *Channel) scrub() error {
	ch.mu.Lock()
	rx := ch.receiver
	ch.mu.Unlock()
	if rx != nil {
		rx.gate.mu.Lock()
		defer rx.gate.mu.Unlock()
		if !rx.gone {
			return ch.scrubBy(rx.cons)
		}
	}
	err := ch.claim(layout.PlaceReceiver, layout.RoleController)
	if errors.Is(err, ErrBusy) {
		return fmt.Errorf("%w: let the receiver, %s, call Recover, or end it first",
			ErrBusy, ch.who(layout.PlaceReceiver))
	}
	if err != nil {
		return err
	}
	cons, err := ch.ring.NewConsumer(0)
	if err == nil {
		err = ch.scrubBy(cons)
	}
	return errors.Join(err, ch.unclaim(layout.PlaceReceiver))
}

func (ch *Channel) scrubBy(cons *ring.Consumer) error {
	n, err := cons.Scrub()
	if n > 0 && ch.opts.Logger != nil {
		ch.opts.Logger.Warn("shmring: aborted damaged slots", "channel", ch.name, "slots", n)
	}
	return err
}
