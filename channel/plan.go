package channel

import (
	"context"
	"time"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// A Plan is the announced end of a channel: somebody means to shut it down.
type Plan struct {
	Reason   string
	Deadline time.Time // by when it shall be over; zero: no limit
	PID      uint32    // who announced it, in its own pid namespace
	Comm     string
	At       time.Time // when it was announced
}

// Announce tells every attached process that the channel is to be shut down: the first of
// three phases, of which the others are DRAINING and CLOSING. It changes nothing else:
// messages are still accepted, so that those who have some half done can finish them.
// Others see it by Plan and Watch. It may be repeated, and taken back by Withdraw; the
// one who announced it need not live: anybody may call Shutdown.
func (ch *Channel) Announce(ctx context.Context, reason string, deadline time.Time) error {
	return ch.withLock(ctx, "announce", func() error {
		p := &ch.ctl.Plan
		p.Set.Store(0) // sync: plan
		fault.Point("channel.announce.free")
		p.DeadlineNs.Store(0)
		if !deadline.IsZero() {
			p.DeadlineNs.Store(deadline.UnixNano())
		}
		ch.self.Store(&p.Who, layout.RoleController)
		layout.StoreText(p.Reason[:], reason)
		fault.Point("channel.announce.written")
		p.Set.Store(1) // sync: plan
		fault.Point("channel.announce.valid")
		ch.state.WakeAll()
		return nil
	})
}

// Withdraw takes an Announce back. Without one it does nothing.
func (ch *Channel) Withdraw(ctx context.Context) error {
	return ch.withLock(ctx, "withdraw", func() error {
		if ch.ctl.Plan.Set.Swap(0) != 0 { // sync: plan
			fault.Point("channel.withdraw.free")
			ch.state.WakeAll()
		}
		return nil
	})
}

// Plan returns the announced end of the channel, if there is one.
func (ch *Channel) Plan() (Plan, bool) {
	if ch.enter() != nil {
		return Plan{}, false
	}
	defer ch.leave()
	var p Plan
	ok := false
	ch.try(func() { p, ok = loadPlan(&ch.ctl.Plan) })
	return p, ok
}

// loadPlan reads the announcement, if it is whole.
func loadPlan(l *layout.Plan) (Plan, bool) {
	return readTwice(func() (Plan, bool) { return readPlan(l) })
}

func readPlan(l *layout.Plan) (Plan, bool) {
	if l.Set.Load() != 1 { // sync: plan
		return Plan{}, false
	}
	p := Plan{
		Reason: layout.LoadText(l.Reason[:]), PID: l.Who.PID.Load(),
		Comm: layout.LoadText(l.Who.Comm[:]), At: time.Unix(0, l.Who.WhenNs.Load()),
	}
	if ns := l.DeadlineNs.Load(); ns != 0 {
		p.Deadline = time.Unix(0, ns)
	}
	return p, l.Set.Load() == 1 // sync: plan
}
