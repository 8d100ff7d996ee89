package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"shmring/channel"
	"shmring/state"
)

// ShutdownOptions say how to end channels.
type ShutdownOptions struct {
	Reason     string         // readable by every participant of every channel
	AtDeadline channel.Policy // what to do with a channel that is not drained in its time
	// Discarded gets what a Force discards of a channel without a receiver; may be nil.
	Discarded func(name string, payload []byte)
	// Progress is told how far the drain of each channel is; may be nil. It is called by
	// several goroutines.
	Progress func(name string, p channel.Progress)
}

// An End says how one channel or resource ended.
type End struct {
	Name     string
	Resource bool           // of Register; else a channel
	Report   channel.Report // of a channel
	Took     time.Duration  // from its turn on
	Err      error          // it did not end
}

// A Report says how a shutdown went.
type Report struct {
	Ends         []End  // in the order in which they ended
	Delivered    uint64 // sums over the channels
	Discarded    uint64
	NotDelivered uint64
	Left         uint64
	Elapsed      time.Duration
}

// ErrNotEnded says that something could not end because what has to end before it did not.
var ErrNotEnded = errors.New("what depends on it has not ended")

// Shutdown ends every registered channel and resource, and every channel of other processes
// that depends on one of them, in three phases that each segment shows to everybody: it
// announces the end to all (channel.Channel.Plan), drains, and closes and unlinks. A thing
// ends when all that depend on it have ended; those that do not depend on each other end in
// parallel, and each gets an equal share of the time that is left for the things that must
// end one after another. What fails keeps back only what it depends on. Things that depend on
// each other in a cycle, which package channel takes and somebody who died or means harm may
// have left, are not ended: a *CycleError, until channel.Channel.Independ breaks it. A channel with
// messages left and no receiver is tried again by Options.Retry: one may be about to come.
// A channel opened read-only is not this Manager's to end, and left out; if it has to end
// before another one, and has not, that is channel.ErrState for it. What a Rollback could not
// bring back to ACTIVE, Options.Escalate decides.
//
// It may be called by several processes, and again: if one dies half-way, the next call
// of any process completes it. The report is valid also with an error, which joins
// those of all.
func (m *Manager) Shutdown(ctx context.Context, o ShutdownOptions) (Report, error) {
	m.mu.Lock()
	var names []string
	for name, c := range m.channels {
		if !c.spec.ReadOnly {
			names = append(names, name)
		}
	}
	for name := range m.resources {
		names = append(names, name)
	}
	m.mu.Unlock()
	return m.end(ctx, names, o)
}

// CloseChannel is Shutdown for one channel and all that depend on it, with the policy
// channel.Leave.
func (m *Manager) CloseChannel(ctx context.Context, name, reason string) (Report, error) {
	c, err := m.Channel(name)
	if err != nil {
		return Report{}, err
	}
	if c.spec.ReadOnly {
		return Report{}, fmt.Errorf("manager: close %q: %w", name, errOnlyLooks)
	}
	return m.end(ctx, []string{name}, ShutdownOptions{Reason: reason})
}

// end ends things by name, and all that depend on them.
func (m *Manager) end(ctx context.Context, names []string, o ShutdownOptions) (Report, error) {
	began := time.Now()
	if o.Reason == "" {
		o.Reason = "shutdown"
	}
	ctx, cancel := m.bounded(ctx)
	defer cancel()
	g, _, err := m.survey(ctx) // what was not seen is met again at its turn
	if err != nil {
		return Report{}, err
	}
	e := ending{m: m, o: o, graph: g.above(names), done: make(map[string]chan bool)}
	e.dependents = e.graph.dependents()
	for name := range e.graph {
		e.done[name] = make(chan bool, 1)
	}
	e.announce(ctx)
	var all sync.WaitGroup
	for name := range e.graph {
		all.Go(func() { e.one(ctx, name) })
	}
	all.Wait()
	e.withdraw(ctx)
	errs := make([]error, 0, len(e.report.Ends))
	for _, end := range e.report.Ends {
		r := end.Report
		e.report.Delivered += r.Delivered
		e.report.Discarded += r.Discarded
		e.report.NotDelivered += r.NotDelivered
		e.report.Left += r.Left
		errs = append(errs, end.Err)
	}
	e.report.Elapsed = time.Since(began)
	return e.report, errors.Join(errs...)
}

// bounded gives a context without a deadline that of Options.OpTimeout.
func (m *Manager) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); !has && m.opts.opTimeout() > 0 {
		return context.WithTimeout(ctx, m.opts.opTimeout())
	}
	return ctx, func() {}
}

// above returns the part of the graph of the names and of all that depend on them.
func (g Graph) above(names []string) Graph {
	dependents := g.dependents()
	part := make(Graph)
	for todo := slices.Clone(names); len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if _, seen := part[name]; seen {
			continue
		}
		part[name] = g[name]
		todo = append(todo, dependents[name]...)
	}
	for name := range part { // dependencies outside are not ended
		part[name] = slices.DeleteFunc(slices.Clone(part[name]), func(other string) bool {
			_, in := part[other]
			return !in
		})
	}
	return part
}

// An ending is one running Shutdown.
type ending struct {
	m          *Manager
	o          ShutdownOptions
	graph      Graph
	dependents Graph
	done       map[string]chan bool // each gets one value: whether it ended

	mu     sync.Mutex
	report Report
}

// errNotReturned is for a Resource whose Close ended the goroutine that it was called in.
var errNotReturned = errors.New("its end did not return")

// one ends one thing when its turn comes.
func (e *ending) one(ctx context.Context, name string) {
	end := End{Name: name, Err: fmt.Errorf("manager: end %q: %w", name, errNotReturned)}
	ready := e.await(name)
	began := time.Now()
	defer func() { // whatever becomes of us, others wait
		end.Took = time.Since(began)
		e.mu.Lock()
		e.report.Ends = append(e.report.Ends, end)
		e.mu.Unlock()
		e.done[name] <- end.Err == nil
	}()
	e.m.mu.Lock()
	r := e.m.resources[name]
	e.m.mu.Unlock()
	end.Resource = r != nil
	switch {
	case ready != nil:
		end.Err = fmt.Errorf("manager: end %q: %w", name, ready)
	case r != nil:
		ctx, cancel := e.share(ctx, name)
		defer cancel()
		if err := e.m.endResource(ctx, name, r); err != nil {
			end.Err = fmt.Errorf("manager: close %q: %w", name, err)
		} else {
			end.Err = nil
		}
	default:
		ctx, cancel := e.share(ctx, name)
		defer cancel()
		end.Report, end.Err = e.channel(ctx, name)
	}
}

// await waits until everything that depends on name has ended. In a cycle that would be for
// ever.
func (e *ending) await(name string) error {
	if err := e.graph.cycle(name); err != nil {
		return err
	}
	var failed error
	for _, above := range e.dependents[name] {
		ended := <-e.done[above]
		e.done[above] <- ended // for the others
		if !ended && failed == nil {
			failed = fmt.Errorf("%w: %q", ErrNotEnded, above)
		}
	}
	return failed
}

// share gives a thing its part of the time: what is left, divided among those that end one
// after another from it on.
func (e *ending) share(ctx context.Context, name string) (context.Context, context.CancelFunc) {
	until, bounded := ctx.Deadline()
	if !bounded {
		return context.WithCancel(ctx)
	}
	part := time.Until(until) / time.Duration(e.graph.height(name))
	return context.WithTimeout(ctx, part)
}

// channel drains and closes one channel. One that exists no more has ended.
func (e *ending) channel(ctx context.Context, name string) (channel.Report, error) {
	o := channel.ShutdownOptions{Reason: e.o.Reason, AtDeadline: e.o.AtDeadline}
	if e.o.Discarded != nil {
		o.Discarded = func(payload []byte) { e.o.Discarded(name, payload) }
	}
	if e.o.Progress != nil {
		o.Progress = func(p channel.Progress) { e.o.Progress(name, p) }
	}
	r := channel.Report{Name: name}
	c, _ := e.m.Channel(name) // nil: of another process
	if c == nil {
		c = &Channel{m: e.m, name: name}
	}
	if c.spec.ReadOnly {
		return e.looked(ctx, c)
	}
	e.flush(ctx, c)
	delivered := uint64(0) // by the attempts before
	err := e.m.operate(ctx, OpClose, c, func(ctx context.Context) (int, error) {
		return 0, e.m.with(ctx, name, func(ch *channel.Channel) (err error) {
			r, err = ch.Shutdown(ctx, o)
			delivered += r.Delivered
			return err
		})
	})
	if r.Delivered = delivered; err == nil {
		r.State = state.Closed // also if it was gone
		return r, nil
	}
	return e.rolledBack(ctx, c, r, err)
}

// flush waits for what SendAsync was given, for half of the time: the rest is for the drain,
// and for what the policy says of its end. What was not accepted by then is refused.
func (e *ending) flush(ctx context.Context, c *Channel) {
	if until, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(until)/2)
		defer cancel()
	}
	_ = c.Flush(ctx) // the shutdown says what became of it
}
