package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmring/channel"
	"shmring/state"
)

// An Escalation is a channel that goes neither on nor back by itself; see Options.Escalate.
type Escalation struct {
	Channel  string
	Cause    EscalationCause
	State    state.State // in which it is left
	Attempts int         // how often the monitor tried; zero for a rollback
	Err      error       // of the last attempt
}

// An EscalationCause says what failed for good.
type EscalationCause int

// Causes.
const (
	// RecoveryGivenUp: the monitor's recovery of a channel in ERROR reached its limit.
	RecoveryGivenUp EscalationCause = iota + 1
	// RollbackFailed: a Shutdown could not take its seal back at its deadline.
	RollbackFailed
)

// String returns the cause as words.
func (c EscalationCause) String() string {
	switch c {
	case RecoveryGivenUp:
		return "recovery given up"
	case RollbackFailed:
		return "rollback failed"
	}
	return "unknown"
}

// escalateTime bounds the forced end of a channel that was escalated. It waits for a
// receiver that does not answer, and meanwhile a monitor looks at nothing else.
const escalateTime = time.Second

// escalate tells of a channel that needs somebody, and does what the policy says. It
// reports whether the channel has ended.
func (m *Manager) escalate(
	ctx context.Context, c *Channel, e Escalation,
) (r channel.Report, ended bool, err error) {
	if log := m.opts.Logger; log != nil {
		log.Warn("shmring: "+e.Cause.String(), "channel", e.Channel, "state", e.State.String(),
			"attempts", e.Attempts, "error", e.Err)
	}
	if m.opts.Escalate == nil || m.opts.Escalate(e) != channel.Force {
		return r, false, nil
	}
	r, err = m.force(ctx, c, fmt.Sprintf("%s: %v", e.Cause, e.Err))
	if log := m.opts.Logger; log != nil {
		log.Warn("shmring: ended by force", "channel", e.Channel, "discarded", r.Discarded,
			"not delivered", r.NotDelivered, "error", err)
	}
	return r, err == nil, err
}

// force ends a channel whatever is in it, so that everybody who waits in it learns of it.
func (m *Manager) force(
	ctx context.Context, c *Channel, reason string,
) (r channel.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, escalateTime)
	defer cancel()
	err = m.operate(ctx, OpClose, c, func(ctx context.Context) (int, error) {
		return 0, m.with(ctx, c.name, func(ch *channel.Channel) (err error) {
			o := channel.ShutdownOptions{Reason: reason, AtDeadline: channel.Force}
			r, err = ch.Shutdown(ctx, o)
			return err
		})
	})
	return r, err
}

// giveUp escalates a channel that the monitor does not try to recover any more, unless
// somebody else has recovered it just now.
func (w *monitor) giveUp(ctx context.Context, s *sight, name string, err error) {
	s.givenUp = true
	c, _ := w.m.Channel(name)
	if c == nil {
		return // forgotten just now
	}
	now := state.Error // also if nobody can see
	_ = w.m.look(ctx, name, func(ch *channel.Channel) error {
		now = ch.State()
		return nil
	})
	if now != state.Error {
		return
	}
	_, _, _ = w.m.escalate(ctx, c, Escalation{
		Channel: name, Cause: RecoveryGivenUp, State: now, Attempts: s.attempts, Err: err,
	}) // which was logged: nobody is there to be told of an error
}

// rolledBack escalates a shutdown that was to be taken back and was not. Else it returns
// what it is given.
func (e *ending) rolledBack(
	ctx context.Context, c *Channel, r channel.Report, err error,
) (channel.Report, error) {
	timely := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, channel.ErrPeerDead)
	if e.o.AtDeadline != channel.Rollback || !timely || !halfDone(r.State) {
		return r, err
	}
	forced, ended, ferr := e.m.escalate(context.WithoutCancel(ctx), c, Escalation{
		Channel: c.name, Cause: RollbackFailed, State: r.State, Err: err,
	})
	if !ended {
		return r, errors.Join(err, ferr)
	}
	forced.Delivered += r.Delivered
	forced.Elapsed += r.Elapsed
	return forced, nil
}

// halfDone reports whether a state is one that a shutdown passes through, or its rollback.
func halfDone(s state.State) bool {
	switch s {
	case state.Draining, state.Closing, state.Error, state.Recovering:
		return true
	case state.Active, state.Closed:
	}
	return false
}
