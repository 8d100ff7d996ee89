package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/state"
)

// controlPatience is how long a control operation without a context of its own
// tries for the control lock.
const controlPatience = 2 * time.Second

// maxMoves bounds how often a control operation tries again because the receiver
// moved the state meanwhile, which it can do once in a life.
const maxMoves = 8

// withLock runs f under the control lock, after completing what a dead controller
// left, and with memory faults turned into ErrFault.
func (ch *Channel) withLock(ctx context.Context, op string, f func() error) error {
	if err := ch.enter(); err != nil {
		return ch.closedError(op)
	}
	defer ch.leave()
	if ch.seg.ReadOnly() {
		return ch.fail(op, errReadOnly)
	}
	release, err := ch.seg.Control(ctx, op)
	if err != nil {
		return ch.fail(op, err)
	}
	defer release()
	ch.token.Acquire(race.Control)
	ch.token.Release(race.Control)
	return ch.fail(op, ch.seg.Guard(func() error {
		ch.repairLocked()
		err := f()
		ch.repairLocked() // damage that was found while we held the lock waits for us
		return err
	}))
}

// Seal ends sending at once: every Send after it gets ErrDraining, everything before
// it will be delivered. Sealing a sealed channel changes nothing. The reason is
// readable by every participant, by Reason and Watch.
func (ch *Channel) Seal(reason string) error {
	ctx, cancel := context.WithTimeout(context.Background(), controlPatience)
	defer cancel()
	return ch.withLock(ctx, "seal", func() error { return ch.sealLocked(reason) })
}

func (ch *Channel) sealLocked(reason string) error {
	w := ch.state.Load()
	switch w.State() {
	case state.Active:
		return ch.advance(state.Draining, false, reason, ch.seal)
	case state.Draining, state.Closing, state.Closed:
		return nil
	case state.Error, state.Recovering:
		return ch.errorState()
	}
	return wordError(w)
}

// advance makes one move to a state and wakes everybody. If the receiver moved the
// word meanwhile, it is tried from the new one. Being there already is success.
func (ch *Channel) advance(to state.State, force bool, reason string, between func() error) error {
	for range maxMoves {
		w := ch.state.Load()
		if w.State() == to && (!force || w.Forced()) {
			return nil
		}
		_, err := ch.state.Move(w, state.Change{
			To: to, Forced: force, Reason: reason, By: ch.actor(layout.RoleController),
			Between: between,
		})
		if errors.Is(err, state.ErrChanged) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrState, err)
		}
		ch.state.WakeAll()
		return nil
	}
	return fmt.Errorf("%w: the state word does not stand still", ErrCorrupt)
}

// State returns the channel's state now.
func (ch *Channel) State() state.State {
	if ch.enter() != nil {
		return 0
	}
	defer ch.leave()
	return ch.lastState()
}

// Reason returns why the channel is in its state, as given by whoever changed it.
func (ch *Channel) Reason() string {
	if ch.enter() != nil {
		return ""
	}
	defer ch.leave()
	reason := ""
	ch.try(func() { reason = ch.state.Reason() })
	ch.token.Acquire(race.Control)
	return reason
}

// History returns the last changes of state, oldest first.
func (ch *Channel) History() []state.Transition {
	if ch.enter() != nil {
		return nil
	}
	defer ch.leave()
	var history []state.Transition
	ch.try(func() { history = ch.state.History() })
	ch.token.Acquire(race.Control)
	return history
}
