package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"shmring/manager"
)

// Version is the version of the frames and of the hello. A runner refuses another.
const Version = 1

// An Exit says how one instance went.
type Exit struct {
	Instance ID
	PID      int
	Joined   bool
	Asked    bool          // the link was being stopped
	Killed   bool          // it had not finished when StopGrace, or JoinWithin, was over
	Err      error         // an *EndedError, what could not be created or started; nil: as asked
	Served   error         // what the function given to Start returned
	Sent     uint64        // frames accepted for the runner
	Received uint64        // frames of the runner received
	Late     uint64        // frames of the runner that the function had not received
	Unread   uint64        // requests that the runner had not received or not released
	Lived    time.Duration // from its creation
}

// A Report says how a link went.
type Report struct {
	Instances int
	Last      Exit
	Sent      uint64 // sums over the instances
	Received  uint64
	Late      uint64
	Unread    uint64
	Reason    string // why it was stopped; "" while it runs
}

// A Supervisor keeps a runner running: when one ends, the next is another instance, with
// segments of its own. Its methods may be called by several goroutines.
type Supervisor struct {
	opts  Options
	serve func(context.Context, *Server) error
	man   *manager.Manager
	lock  *manager.Lock

	stop chan struct{} // closed when it is to stop
	done chan struct{} // closed when it has

	mu      sync.Mutex
	report  Report
	reason  string
	err     error
	current *Server
	changed chan struct{} // closed, and made anew, when current changes
}

// Start creates a link, starts its first runner, and supervises it from a goroutine of its
// own. Each time a runner has joined, serve is called with the instance, in one goroutine
// after another, never two at once. What serve returns decides:
//
//	nil              the link is stopped
//	ErrRunnerEnded   the next instance begins, after a pause by Options.Restart
//	another error    the link is stopped, and Wait returns the error
//
// The context of serve ends when the runner did not finish in time, not when ctx ends: then
// the link is stopped, as by Stop. Errors are those of what it creates, and of a runner that
// cannot be started.
func Start(
	ctx context.Context, o Options, serve func(context.Context, *Server) error,
) (*Supervisor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Supervisor{
		opts: o, serve: serve, stop: make(chan struct{}), done: make(chan struct{}),
		changed: make(chan struct{}),
	}
	if err := p.takeLock(ctx); err != nil {
		return nil, err
	}
	alive, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	first, err := p.begin(alive)
	if err != nil {
		kill(err)
		return nil, errors.Join(err, p.freeLock())
	}
	unhook := context.AfterFunc(ctx, func() { p.Stop(context.Cause(ctx).Error()) })
	go func() {
		defer close(p.done)
		err := p.run(alive, first)
		unhook()
		kill(ErrStopped)
		p.finish(errors.Join(err, p.freeLock()))
	}()
	return p, nil
}

// Run is Start and Wait.
func Run(
	ctx context.Context, o Options, serve func(context.Context, *Server) error,
) (Report, error) {
	p, err := Start(ctx, o, serve)
	if err != nil {
		return Report{}, err
	}
	return p.Wait()
}

// takeLock keeps a second server from the names.
func (p *Supervisor) takeLock(ctx context.Context) (err error) {
	if p.opts.Name == "" {
		return nil
	}
	p.man, err = manager.New(manager.Options{Dir: p.opts.Dir, Logger: p.opts.Logger})
	if err != nil {
		return err
	}
	if p.lock, err = p.man.TryLock(ctx, p.opts.Name); err != nil {
		return errors.Join(fmt.Errorf("another server has the link %q: %w", p.opts.Name, err),
			p.man.Close())
	}
	return nil
}

func (p *Supervisor) freeLock() error {
	if p.lock == nil {
		return nil
	}
	return errors.Join(p.lock.Unlock(), p.man.Close())
}

// Stop begins the end: the requests are sealed, the runner gets those that are there and
// finishes them, its tokens are received, and then everything is removed. A runner that has
// not finished after Options.StopGrace is killed. Only the first reason counts.
func (p *Supervisor) Stop(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.stop:
	default:
		p.reason = reason
		close(p.stop)
	}
}

func (p *Supervisor) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// Wait waits for the end. Its error is that of serve, or that which ended the attempts to
// restart; nil if the link was stopped and nothing failed.
func (p *Supervisor) Wait() (Report, error) {
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report, p.err
}

// Report returns what happened so far: the instances that are over.
func (p *Supervisor) Report() Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report
}

// Server returns the instance whose runner is there, waiting for one. ErrStopped: there will
// be none.
func (p *Supervisor) Server(ctx context.Context) (*Server, error) {
	for {
		p.mu.Lock()
		s, changed := p.current, p.changed
		p.mu.Unlock()
		if s != nil && s.Err() == nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-p.done:
			return nil, ErrStopped
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (p *Supervisor) setCurrent(s *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = s
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Supervisor) finish(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.report.Reason = err, p.reason
}

// begin makes an instance and starts its runner.
func (p *Supervisor) begin(ctx context.Context) (*Server, error) {
	s, err := newServer(ctx, p.opts)
	if err != nil || p.opts.Command == nil {
		return s, err
	}
	if err := s.startChild(ctx); err != nil {
		return nil, errors.Join(err, s.remove(ctx, "no runner"))
	}
	return s, nil
}

// run goes from instance to instance.
func (p *Supervisor) run(ctx context.Context, s *Server) error {
	policy := p.opts.Restart()
	var err error
	for {
		exit := Exit{Err: err}
		if err == nil {
			exit = p.instance(ctx, s)
		}
		p.add(exit)
		switch {
		case exit.Served != nil && !errors.Is(exit.Served, ErrRunnerEnded):
			return exit.Served
		case p.stopping():
			return nil
		}
		if exit.Lived >= p.opts.StableAfter {
			policy = p.opts.Restart()
		}
		wait := policy.NextBackOff()
		if wait == manager.Stop {
			return fmt.Errorf("%w: gave up restarting the runner: %w", ErrStopped, exit.Err)
		}
		p.opts.Logger.Warn("link: the runner ended", "err", exit.Err, "next", wait)
		if !p.pause(wait) {
			return nil
		}
		s, err = p.begin(ctx)
	}
}

// pause waits, and reports false if the link was stopped.
func (p *Supervisor) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}

func (p *Supervisor) add(e Exit) {
	p.mu.Lock()
	r := &p.report
	r.Instances++
	r.Last = e
	r.Sent, r.Received, r.Late = r.Sent+e.Sent, r.Received+e.Received, r.Late+e.Late
	r.Unread += e.Unread
	p.mu.Unlock()
	if p.opts.OnExit != nil {
		p.opts.OnExit(e)
	}
}
