package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmring/futex"
	"shmring/shm"
)

// evictSlice is how often an Evict looks at the locks of the process it killed, if no
// death notice comes before.
const evictSlice = 5 * time.Millisecond

// Evict kills the process pid, a participant that lives and is stuck, waits until the
// kernel has freed its locks, and repairs the channel as Recover does. It is the only way
// past a living participant that others wait for, and never happens by itself. To whom
// else it matters: the process takes part in other channels as well, and dies for all.
//
// The process must hold a place of this channel, or its control lock, by the kernel's own
// account; the number in the channel's rows is not believed. Otherwise nobody is killed:
// ErrNoHolder (no such process, it holds nothing here, it is of another pid namespace),
// fs.ErrInvalid (this very process), fs.ErrPermission. Recovery.Killed says whether it was
// killed. If its locks are not free when ctx ends (it is dumping core, frozen, or in the
// kernel), that is the context's error, and Evict or Recover may be called again.
func (ch *Channel) Evict(ctx context.Context, pid int) (Recovery, error) {
	if err := ch.enter(); err != nil {
		return Recovery{}, ch.closedError("evict")
	}
	defer ch.leave()
	if ch.seg.ReadOnly() {
		return Recovery{}, ch.fail("evict", errReadOnly)
	}
	r := ch.beginRecovery()
	err := ch.guard(func() error { return ch.evict(ctx, pid, &r) })
	if err == nil {
		err = ch.withLock(ctx, "evict", func() error {
			err := ch.recoverLocked(&r)
			if errors.Is(err, ErrState) {
				return nil // it has ended: there is nothing to bring back
			}
			return err
		})
	}
	ch.endRecovery(&r)
	return r, ch.fail("evict", err)
}

// evict kills the process and waits until it has no place any more. The control lock, if it
// had that, is waited for by whoever takes it next.
func (ch *Channel) evict(ctx context.Context, pid int, r *Recovery) error {
	if ctx.Err() != nil {
		return ch.ended(ctx, "")
	}
	claims := make([]uint64, ch.places)
	for place := range claims {
		claims[place] = ch.view.Participants[place].Claim.Load() // sync: claim
	}
	held, err := ch.seg.Kill(pid)
	if err != nil {
		return err
	}
	r.Killed = pid
	stop := ch.wakeOnCancel(ctx, ch.stateEvent)
	defer stop()
	for {
		seq := futex.Sample(ch.stateEvent) // sync: seq
		place, busy := ch.stillHeld(held, claims)
		if !busy {
			return nil
		}
		stuck := fmt.Sprintf("pid %d was killed and still holds place %d", pid, place)
		switch {
		case ch.isClosed():
			return ErrClosed
		case ctx.Err() != nil:
			return ch.ended(ctx, stuck)
		}
		err := ch.sleepState(seq, ch.slice(ctx, evictSlice))
		if err != nil && !errors.Is(err, futex.ErrTimeout) {
			return err
		}
		if deadlinePassed(ctx) {
			return ch.deadline(ctx, stuck)
		}
	}
}

// stillHeld returns a place that is still held under the claim number it had.
func (ch *Channel) stillHeld(held shm.Held, claims []uint64) (int, bool) {
	for _, place := range held.Places {
		if place >= len(claims) {
			continue
		}
		now := ch.view.Participants[place].Claim.Load() // sync: claim
		if now == claims[place] && ch.alive(place) {
			return place, true
		}
	}
	return 0, false
}
