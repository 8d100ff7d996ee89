package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/ring"
	"shmring/state"
)

// A Recovery says what a Recover or an Evict found and did.
type Recovery struct {
	Killed  int         // pid that an Evict killed; 0: none
	Was     state.State // when it began
	Reason  string      // why the channel was in that state
	State   state.State // when it was done
	Settled []Death     // whose death was settled meanwhile, by whomever
	Damaged uint64      // slots and words that could not be, and were made passable
	Holes   uint64      // slots that the dead did not fill: a receiver skips them
	Kept    uint64      // messages that are there, whole and not released
}

// Recover repairs the channel: it settles the dead, completes what a dead controller
// left, checks the ring, and brings a channel in state ERROR back to ACTIVE. Slots
// whose control words are damaged are aborted and counted as corrupt; messages that
// are whole are kept. It is harmless on a healthy channel, and may be called again
// by anybody if the caller dies. What it returns is valid also with an error.
//
// ErrNoSpace: what a drain gave back cannot be had again now; the channel stays in ERROR, with
// its messages, and Recover may be called again when there is room.
//
// ErrBusy says that a living receiver in another process has to call it, because
// only the receiver's side may abort slots. ErrCorrupt: beyond repair; Shutdown or
// remove it. ErrState: the channel is closed or closing.
func (ch *Channel) Recover(ctx context.Context) (Recovery, error) {
	if err := ch.enter(); err != nil {
		return Recovery{}, ch.closedError("recover")
	}
	defer ch.leave()
	r := ch.beginRecovery()
	err := ch.withLock(ctx, "recover", func() error { return ch.recoverLocked(&r) })
	ch.endRecovery(&r)
	return r, err
}

// beginRecovery takes down what there is before a repair.
func (ch *Channel) beginRecovery() Recovery {
	var r Recovery
	ch.try(func() {
		r.Was, r.Reason = ch.state.Load().State(), ch.state.Reason()
		r.Settled = ch.deaths() // of before, until endRecovery
	})
	return r
}

// endRecovery completes the report.
func (ch *Channel) endRecovery(r *Recovery) {
	before := r.Settled
	r.Settled = nil
	ch.try(func() {
		r.State = ch.state.Load().State()
		for _, d := range ch.deaths() {
			known := func(b Death) bool { return b.Instance == d.Instance }
			if !slices.ContainsFunc(before, known) {
				r.Settled = append(r.Settled, d)
			}
		}
		if ch.ring.Check() != nil {
			return // nobody knows what is in it
		}
		if n, err := ch.abandoned(); err == nil {
			r.Holes = n
		}
		if n, err := ch.unread(); err == nil {
			r.Kept = n
		}
	})
}

func (ch *Channel) recoverLocked(r *Recovery) error {
	if ch.settleDead() > 0 {
		ch.membershipChanged() // nobody finds them once more
	}
	w := ch.state.Load()
	if !w.Valid() {
		return fmt.Errorf("%w: state word %#x; it cannot be repaired: remove the channel",
			ErrCorrupt, uint32(w))
	}
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
	if err := ch.refill(); err != nil {
		return err
	}
	n, err := ch.scrub()
	r.Damaged = uint64(n)
	if err != nil {
		return err
	}
	return ch.reactivate("recovered", nil)
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
// others. It reports how many there were.
func (ch *Channel) scrub() (damaged int, err error) {
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
	err = ch.asReceiver(func(cons *ring.Consumer) (err error) {
		damaged, err = ch.scrubBy(cons)
		return err
	})
	if errors.Is(err, ErrBusy) {
		return 0, fmt.Errorf("%w: let the receiver, %s, call Recover, or end it first",
			ErrBusy, ch.who(layout.PlaceReceiver))
	}
	return damaged, err
}

func (ch *Channel) scrubBy(cons *ring.Consumer) (int, error) {
	n, err := cons.Scrub()
	if n > 0 && ch.opts.Logger != nil {
		ch.opts.Logger.Warn("shmring: aborted damaged slots", "channel", ch.name, "slots", n)
	}
	return n, err
}

// asReceiver runs f in the receiver's place for a controller, if nobody has it. The
// death of a receiver that is on record there stays on record.
func (ch *Channel) asReceiver(f func(*ring.Consumer) error) error {
	if err := ch.claimSettled(layout.PlaceReceiver, layout.RoleController); err != nil {
		return err
	}
	cons, err := ch.ring.NewConsumer(0)
	if err == nil {
		err = f(cons)
	}
	if _, bad := corruption(err); bad {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	row := &ch.view.Participants[layout.PlaceReceiver]
	dead := row.Dead.Load() // sync: death
	return errors.Join(err, ch.unclaimKeeping(layout.PlaceReceiver, dead))
}

// claimSettled is claim that gives somebody who is just settling the place time to end.
func (ch *Channel) claimSettled(place int, role layout.Role) error {
	until := futex.After(settleGrace)
	for {
		seq := futex.Sample(ch.stateEvent) // sync: seq
		err := ch.claim(place, role)
		if !errors.Is(err, ErrBusy) || until.Passed() {
			return err
		}
		slice := futex.After(time.Millisecond).Earlier(until)
		if err := ch.sleepState(seq, slice); err != nil && !errors.Is(err, futex.ErrTimeout) {
			return err
		}
	}
}
