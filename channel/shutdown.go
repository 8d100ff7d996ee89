package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/state"
)

// A Policy says what Shutdown does when the deadline comes before the channel is
// drained.
type Policy int

// Policies.
const (
	// Leave keeps the channel sealed with its messages; the context's error is
	// returned, and Shutdown may be called again by anybody.
	Leave Policy = iota
	// Force ends the channel and counts what is left as discarded.
	Force
	// Rollback makes the channel ACTIVE again. It is refused once CLOSING was
	// reached. If memory that was given back while draining cannot be had again it is
	// ErrNoSpace, and the channel in ERROR until Recover finds room.
	Rollback
)

// ShutdownOptions say how to end a channel.
type ShutdownOptions struct {
	Reason     string         // readable by every participant
	AtDeadline Policy         // Leave if zero
	Discarded  func([]byte)   // gets what a Force discards, if no receiver lives; may be nil
	Progress   func(Progress) // as for Drain; may be nil
}

// A Report says how a shutdown went.
type Report struct {
	Name         string
	State        state.State   // at the end
	Delivered    uint64        // slots released while it waited
	Discarded    uint64        // accepted messages that nobody will get, counted
	NotDelivered uint64        // upper bound of what a silent receiver was not given
	Left         uint64        // slots still in the channel
	Elapsed      time.Duration // of the whole call
	Waited       string        // whom it waited for last, in words
}

// forceShare and forceMost bound the part of the time before the deadline that is
// kept for a Force or Rollback, so that the call itself keeps the deadline.
const (
	forceShare = 10
	forceMost  = 500 * time.Millisecond
)

// Shutdown ends the channel for all: it seals it, waits until everything is
// delivered, moves it to CLOSING and CLOSED and unlinks the segment. If the caller
// dies half-way, anybody may call Shutdown again and completes it. The report is
// valid also with an error.
func (ch *Channel) Shutdown(ctx context.Context, o ShutdownOptions) (Report, error) {
	r := Report{Name: ch.name}
	if err := ch.enter(); err != nil {
		return r, ch.closedError("shutdown")
	}
	defer ch.leave()
	began := time.Now()
	err := ch.guard(func() error { return ch.shutdown(ctx, o, &r) })
	r.Elapsed = time.Since(began)
	r.State = ch.lastState()
	ch.try(func() {
		if left, derr := ch.ring.Depth(); derr == nil {
			r.Left = left
		}
	})
	return r, ch.fail("shutdown", err)
}

func (ch *Channel) shutdown(ctx context.Context, o ShutdownOptions, r *Report) error {
	if o.Reason == "" {
		o.Reason = "shutdown"
	}
	if err := ctx.Err(); err != nil &&
		(o.AtDeadline == Leave || !errors.Is(err, context.DeadlineExceeded)) {
		return ch.ended(ctx, "")
	}
	var err error
	for range maxMoves {
		begin := func() error { return ch.beginLocked(o.Reason) }
		if err = ch.withLock(graceful(ctx), "shutdown", begin); err != nil {
			return err
		}
		fault.Point("channel.shutdown.sealed")
		if w := ch.state.Load(); w.Forced() && w.State() != state.Closed {
			return ch.force(ctx, o, r) // somebody began that and may have died before the count
		}
		err = ch.drainBefore(ctx, o, r)
		if !errors.Is(err, ErrState) || ch.state.Load().State() != state.Error {
			break
		}
		// Somebody died in the middle of a rollback: the channel is ended from ERROR.
	}
	switch {
	case err == nil:
		return ch.finish(ctx, o.Reason)
	case o.AtDeadline == Force && errors.Is(err, ErrCorrupt):
		return ch.force(ctx, o, r) // a damaged ring never drains
	case !atPolicy(ctx, err) || o.AtDeadline == Leave:
		return err
	case o.AtDeadline == Rollback:
		return errors.Join(err, ch.rollback(ctx, o.Reason))
	}
	return ch.force(ctx, o, r)
}

// beginLocked seals the channel; one in ERROR, which is sealed already, goes to CLOSING.
func (ch *Channel) beginLocked(reason string) error {
	if ch.state.Load().State() == state.Error {
		return ch.advance(state.Closing, false, reason, ch.seal)
	}
	return ch.sealLocked(reason)
}

// drainBefore waits for the end of the ring, and keeps a share of the time for what
// comes at the deadline.
func (ch *Channel) drainBefore(ctx context.Context, o ShutdownOptions, r *Report) error {
	w := ch.state.Load()
	if w.State() == state.Closed || w.Forced() {
		return nil
	}
	end, bounded := ctx.Deadline()
	if bounded && o.AtDeadline != Leave {
		keep := min(time.Until(end)/forceShare, forceMost)
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-keep))
		defer cancel()
	}
	// A receiver may still come, and a Force would take its messages: only then is
	// it worth waiting for one.
	patient := bounded && o.AtDeadline == Force
	return ch.awaitEmpty(ctx, func(p Progress) {
		r.Delivered, r.Waited = p.Done, p.Receiver
		if o.Progress != nil {
			o.Progress(p)
		}
	}, patient)
}

// atPolicy reports whether a failed drain is one that the policy is for: time is up
// or nobody is there, and the caller did not give up.
func atPolicy(ctx context.Context, err error) bool {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return false
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrPeerDead)
}

// finish makes the last steps of a drained or forced channel: CLOSING, CLOSED, unlink.
func (ch *Channel) finish(ctx context.Context, reason string) error {
	return ch.withLock(ctx, "shutdown", func() error { return ch.finishLocked(reason) })
}

func (ch *Channel) finishLocked(reason string) error {
	w := ch.state.Load()
	if w.State() != state.Closed {
		if !w.Forced() && !ch.ring.Drained() {
			return fmt.Errorf("%w: messages came back while closing", ErrState)
		}
		if err := ch.advance(state.Closing, w.Forced(), reason, nil); err != nil {
			return err
		}
		fault.Point("channel.shutdown.closing")
		if err := ch.advance(state.Closed, w.Forced(), reason, nil); err != nil {
			return err
		}
		fault.Point("channel.shutdown.closed")
	}
	if ch.seg.Nameless() {
		return nil
	}
	return ch.seg.Unlink()
}

// rollback takes the seal back: through ERROR and RECOVERING to ACTIVE, in one hold
// of the control lock, so that receivers wait instead of seeing an error.
func (ch *Channel) rollback(ctx context.Context, reason string) error {
	return ch.withLock(graceful(ctx), "rollback", func() error {
		w := ch.state.Load()
		if w.Final() || w.State() != state.Draining {
			return fmt.Errorf("%w: %s cannot be rolled back", ErrState, w.State())
		}
		// One try: if the receiver reached the end just now, that is final, and ERROR
		// from there would turn the end into an error.
		if _, err := ch.state.Move(w, state.Change{
			To: state.Error, Reason: rollbackReason + reason, By: ch.actor(layout.RoleController),
			Between: ch.seal,
		}); err != nil {
			return fmt.Errorf("%w: it was drained just now: %w", ErrState, err)
		}
		ch.state.WakeAll()
		return ch.reactivate(rollbackReason+reason, ch.refill)
	})
}

// reactivate goes from DRAINING or ERROR to ACTIVE. Poison is cleared before the
// seal: the next finder must not be overlooked. Whatever has to be done before comes in between;
// if it fails the channel stays in ERROR, for a reason of its own: that wakes whoever waits for
// the end of a rollback.
func (ch *Channel) reactivate(reason string, before func() error) error {
	if err := ch.advance(state.Error, false, reason, ch.seal); err != nil {
		return err
	}
	fault.Point("channel.recover.error")
	if err := ch.advance(state.Recovering, false, reason, nil); err != nil {
		return err
	}
	fault.Point("channel.recover.recovering")
	if before != nil {
		if err := before(); err != nil {
			return errors.Join(err, ch.advance(state.Error, false, noRoom(err), nil))
		}
	}
	return ch.advance(state.Active, false, reason, func() error {
		ch.ctl.Poison.Code.Store(0) // sync: poison
		fault.Point("channel.recover.clean")
		return ch.unseal()
	})
}

// graceful lets the last steps of an operation run when its deadline has just come.
func graceful(ctx context.Context) context.Context {
	if ctx.Err() == nil {
		return ctx
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Millisecond)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// force ends a channel that did not drain in time.
func (ch *Channel) force(ctx context.Context, o ShutdownOptions, r *Report) error {
	err := ch.withLock(graceful(ctx), "force", func() error {
		if ch.state.Load().State() == state.Closed {
			return nil
		}
		return ch.advance(state.Closing, true, o.Reason, ch.seal)
	})
	if err != nil {
		return err
	}
	fault.Point("channel.force.closing")
	if err := ch.awaitAnswer(ctx, o); err != nil {
		return err
	}
	// Nothing but a forced close discards: the total is that of this one, whoever began it.
	r.Discarded = ch.ctl.Totals.Discarded.Load()
	left, err := ch.ring.Depth()
	if err != nil {
		left = ch.view.SlotCount // damaged: at most a full ring
	}
	// Of a receiver that answered: what was reserved and not committed when it counted.
	left = max(left, ch.ctl.Totals.NotDelivered.Load())
	if left > 0 {
		r.NotDelivered = left
		ch.ctl.Totals.NotDelivered.Store(left)
		o.Reason += fmt.Sprintf(" (up to %d not delivered)", left)
	}
	return ch.finish(graceful(ctx), o.Reason)
}

// awaitAnswer waits until the receiver has counted what it was not given, or does
// that itself if there is none. A receiver that does not answer by the deadline ends
// the wait without an error.
func (ch *Channel) awaitAnswer(ctx context.Context, o ShutdownOptions) error {
	for {
		place, err := ch.tryClaimRole(layout.RoleReceiver)
		if err == nil {
			return ch.discardAt(place, o.Discarded)
		}
		if !errors.Is(err, ErrBusy) {
			return err
		}
		err = ch.awaitEmptyForced(ctx)
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if !errors.Is(err, errAgain) {
			return err
		}
	}
}

// discardAt takes what is left and gives the receiver's place back, also if the user's
// function panics.
func (ch *Channel) discardAt(place int, take func([]byte)) (err error) {
	defer func() { err = errors.Join(err, ch.unclaim(place)) }()
	return ch.guard(func() error { ch.discardRest(take); return nil })
}
