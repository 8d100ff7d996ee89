package channel

import (
	"context"
	"errors"

	"shmring/internal/fault"
	"shmring/internal/race"
	"shmring/ring"
)

// Send puts a copy of p into the channel. A nil error means that the message is
// accepted: it will be delivered, unless a forced close counts it as discarded or
// the segment is destroyed. While the channel is full, Send waits; ctx ends that.
//
// Errors: ErrDraining or ErrClosed if the channel is sealed, ErrTooBig, ErrBusy
// beside an outstanding Lease of this sender, ErrPeerDead if it would wait and the
// receiver died, ErrState, ErrCorrupt, ErrOrphaned, or the context's cause.
func (tx *Sender) Send(ctx context.Context, p []byte) error {
	if err := tx.gate.enter(ctx); err != nil {
		return tx.ch.fail("send", err)
	}
	err := ctx.Err()
	if err == nil {
		if err = tx.put(p); err == nil {
			tx.gate.leave()
			return nil
		}
	}
	if err == ring.ErrFull { //nolint:errorlint // the ring returns its sentinels bare
		err = tx.sendSlow(ctx, p)
	} else {
		err = tx.explain(ctx, err)
	}
	tx.gate.leave()
	return tx.ch.fail("send", err)
}

// TrySend is Send that never waits: ErrFull if there is no room, ErrBusy beside
// another goroutine's call.
func (tx *Sender) TrySend(p []byte) error {
	if err := tx.gate.tryEnter(); err != nil {
		return tx.ch.fail("send", err)
	}
	err := tx.put(p)
	if err != nil {
		err = tx.tryError(err)
	}
	tx.gate.leave()
	return err
}

// put is one attempt, under the gate.
func (tx *Sender) put(p []byte) error {
	if tx.ch.opts.Guard {
		return tx.ch.guard(func() error { return tx.putBare(p) })
	}
	return tx.putBare(p)
}

func (tx *Sender) putBare(p []byte) error {
	if err := tx.requirePeer(); err != nil {
		return err
	}
	tx.ch.token.Release(race.Messages)
	err := tx.prod.Send(p)
	tx.ch.token.Acquire(race.Room)
	return err
}

// requirePeer refuses what nobody would get: a segment without a name has lost those who
// come later. Senders that want to know of a dead receiver at once are told of it too.
func (tx *Sender) requirePeer() error {
	switch {
	case tx.ch.orphaned.Load():
		return ErrOrphaned
	case tx.ch.opts.RequirePeer:
		return tx.peerDead()
	}
	return nil
}

func (tx *Sender) sendSlow(ctx context.Context, p []byte) error {
	for {
		fault.Point("channel.send.full")
		if err := tx.waitRoom(ctx, len(p)); err != nil {
			return err
		}
		err := tx.put(p)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ring.ErrFull) {
			return tx.explain(ctx, err)
		}
	}
}

// tryError turns the ring's refusal into what a Try call returns, without
// allocating for the common one.
func (tx *Sender) tryError(err error) error {
	if err == ring.ErrFull { //nolint:errorlint // the ring returns its sentinels bare
		// A fault is met again by the next call.
		_ = tx.ch.guardData(func() error { tx.prod.Disown(); return nil })
		return tx.full
	}
	return tx.ch.fail("send", tx.explain(context.Background(), err))
}

// explain turns what the ring said into what the caller should know. It looks at the memory
// again, which may be gone by now.
func (tx *Sender) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ring.ErrFull):
		return ErrFull
	case errors.Is(err, ring.ErrSealed):
		return tx.ch.guardData(tx.ch.sealedError)
	case errors.Is(err, ring.ErrTooBig):
		return tx.ch.tooBig()
	case errors.Is(err, ring.ErrPending):
		return errLeaseHeld
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return tx.ch.ended(ctx, "")
	}
	return tx.ch.guardData(func() error { return tx.ch.poison(err) })
}
