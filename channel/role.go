package channel

import (
	"context"
	"errors"
	"time"

	"shmring/futex"
	"shmring/internal/layout"
)

// settleGrace is how long a claim keeps trying a place that is held by somebody
// without a name: a place that is just being settled.
const settleGrace = 10 * time.Millisecond

// tryClaimRole takes a place for role, or says at once who has it.
func (ch *Channel) tryClaimRole(role layout.Role) (int, error) {
	places := ch.placesFor(role)
	until := futex.After(settleGrace)
	for {
		seq := futex.Sample(ch.stateEvent) // sync: seq
		place, err := ch.claimFree(places, role)
		if err == nil || !errors.Is(err, ErrBusy) || !ch.settling(places) || until.Passed() {
			return place, err
		}
		// The settler wakes everybody when it is done; a short sleep in case it dies.
		slice := futex.After(time.Millisecond).Earlier(until)
		if err := ch.sleepState(seq, slice); err != nil && !errors.Is(err, futex.ErrTimeout) {
			return 0, err
		}
	}
}

// claimGuarded runs a claim of a role.
func (ch *Channel) claimGuarded(claim func() (int, error)) (place int, err error) {
	err = ch.guard(func() error {
		place, err = claim()
		return err
	})
	return place, err
}

// disclaim gives a place back whose role could not be taken up, and returns why not.
func (ch *Channel) disclaim(place int, role string, err error) error {
	err = ch.fail(role, err)
	if uerr := ch.unclaim(place); uerr != nil {
		ch.logWarn("give back a place", uerr)
	}
	ch.leave()
	return err
}

// settling reports whether one of the places is held without a claim number, or with
// that of somebody whose death is on record: whoever holds it is settling it.
func (ch *Channel) settling(places []int) bool {
	for _, p := range places {
		row := &ch.view.Participants[p]
		number := row.Claim.Load()                    // sync: claim
		if number == 0 || row.Dead.Load() == number { // sync: death
			return true
		}
	}
	return false
}

// claimRole takes a place for role; while somebody living has it, it waits.
func (ch *Channel) claimRole(ctx context.Context, role layout.Role) (int, error) {
	stop := ch.wakeOnCancel(ctx, ch.stateEvent)
	defer stop()
	held := "waiting for the role of " + role.String()
	since := time.Now()
	for {
		seq := futex.Sample(ch.stateEvent) // sync: seq
		switch {
		case ch.isClosed():
			return 0, ErrClosed
		case ctx.Err() != nil:
			return 0, ch.ended(ctx, held)
		case ch.orphaned.Load():
			return 0, ErrOrphaned
		}
		place, err := ch.tryClaimRole(role)
		if err == nil || !errors.Is(err, ErrBusy) {
			return place, err
		}
		held = err.Error()
		if w := ch.state.Load(); !w.Valid() { // nothing to do here for who gets it, or has it
			return 0, wordError(w)
		}
		slice := idleSlice(since)
		if ch.settling(ch.placesFor(role)) {
			// Whoever has it may be dead and his lock about to go, which nobody tells.
			slice = blindSlice
		}
		err = ch.sleepState(seq, ch.slice(ctx, slice))
		switch {
		case err != nil && !errors.Is(err, futex.ErrTimeout):
			return 0, err
		case deadlinePassed(ctx):
			return 0, ch.deadline(ctx, held)
		case err != nil:
			ch.look(true)
		}
	}
}

// sleepState sleeps on the state event, which every change wakes; no bit is needed.
func (ch *Channel) sleepState(seq uint32, until futex.Deadline) error {
	return futex.Wait(ch.stateWord, seq, until)
}
