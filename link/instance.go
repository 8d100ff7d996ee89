package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shmring/channel"
)

// instance supervises one instance from its start to its end, and removes it.
func (p *Supervisor) instance(ctx context.Context, s *Server) Exit {
	live, cancel := context.WithCancelCause(ctx)
	defer cancel(ErrStopped)
	exit := Exit{Instance: s.id}
	if exit.Killed = !p.awaitJoin(live, s); s.hasJoined() {
		exit.Served = p.serveOne(live, cancel, s, &exit)
	}
	p.settle(live, s, &exit)
	cancel(ErrStopped)
	s.stopWatch()

	exit.PID, exit.Joined, exit.Asked = s.PID(), s.hasJoined(), s.draining.Load()
	exit.Lived = time.Since(s.began)
	exit.Sent, exit.Received = s.sent.Load(), s.received.Load()
	exit.Unread = s.set.requests.Stats().Depth
	exit.Err = p.verdict(s, exit)
	if err := s.remove(ctx, "the instance is over"); err != nil {
		p.opts.Logger.Warn("link: end an instance", "instance", s.id, "err", err)
	}
	return exit
}

func (s *Server) hasJoined() bool {
	select {
	case <-s.joined:
		return true
	default:
		return false
	}
}

func (s *Server) over() bool {
	select {
	case <-s.life.Done():
		return true
	default:
		return false
	}
}

// awaitJoin waits until the runner has joined or ended, and kills one that takes too long,
// which it reports by false.
func (p *Supervisor) awaitJoin(ctx context.Context, s *Server) bool {
	var late <-chan time.Time
	if p.opts.Command != nil {
		timer := time.NewTimer(p.opts.JoinWithin)
		defer timer.Stop()
		late = timer.C
	}
	if p.opts.Command == nil {
		defer s.awaitWord(ctx)()
	}
	select {
	case <-s.joined:
		return true
	case <-s.life.Done():
		return true
	case <-p.stop:
		if p.opts.Command == nil {
			return true
		}
	case <-late:
	}
	s.kill()
	return false
}

// awaitWord takes a runner for joined by its first token, or by its death: the watch may
// not have seen one that came and died between two looks. The returned function ends that.
func (s *Server) awaitWord(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := channel.Wait(ctx, s.tokens); err == nil {
			s.attached(0)
		}
	}()
	return func() { cancel(); <-done }
}

// serveOne runs serve until it returns. When the link is stopped the runner is asked to
// finish, and killed if it does not.
func (p *Supervisor) serveOne(
	live context.Context, cancel context.CancelCauseFunc, s *Server, exit *Exit,
) error {
	p.setCurrent(s)
	defer p.setCurrent(nil)
	if p.opts.OnStart != nil {
		p.opts.OnStart(s)
	}
	served := make(chan error, 1)
	go func() { served <- p.serve(live, s) }()
	select {
	case err := <-served:
		return p.judge(s, err)
	case <-p.stop:
	}
	if err := s.beginDrain(p.whyStop()); err != nil {
		p.opts.Logger.Warn("link: seal the requests", "err", err)
	}
	timer := time.NewTimer(p.opts.StopGrace)
	defer timer.Stop()
	select {
	case err := <-served:
		return p.judge(s, err)
	case <-timer.C:
	}
	exit.Killed = true
	s.kill()
	cancel(fmt.Errorf("%w: %s", errGrace, s.Status().Who))
	return p.judge(s, <-served)
}

var errGrace = fmt.Errorf("%w: the runner did not finish in time", ErrStopped)

// judge decides by what serve returned how it goes on.
func (p *Supervisor) judge(s *Server, err error) error {
	switch {
	case err == nil:
		p.Stop("the server has finished")
	case errors.Is(err, ErrRunnerEnded):
		return err
	case s.draining.Load() && errors.Is(err, ErrStopped):
		return nil // it was told to stop by its context
	default:
		p.Stop(err.Error())
	}
	return err
}

func (p *Supervisor) whyStop() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}

// settle waits until the runner has ended, and receives what is left of it.
func (p *Supervisor) settle(ctx context.Context, s *Server, exit *Exit) {
	if p.opts.Command == nil && !s.hasJoined() {
		return // nobody came
	}
	if err := s.beginSettle(p.stopping(), p.whyStop()); err != nil {
		p.opts.Logger.Warn("link: seal the requests", "err", err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.StopGrace)
	defer cancel()
	exit.Late = p.late(ctx, s)
	select {
	case <-s.life.Done():
	case <-ctx.Done():
		exit.Killed = true
		s.kill()
		if p.opts.Command == nil {
			break // it is not ours to kill: its segments end under it
		}
		<-s.life.Done()
	}
	for { // what it sent at last: its locks are free, so nothing more comes
		m, err := s.tokens.TryRecv()
		if err != nil {
			return
		}
		exit.Late++
		p.giveLate(s, m)
	}
}

// late receives what serve did not, until the runner has ended, or ctx.
func (p *Supervisor) late(ctx context.Context, s *Server) (n uint64) {
	for {
		m, err := s.await(ctx)
		if err != nil {
			return n
		}
		n++
		p.giveLate(s, m)
	}
}

func (p *Supervisor) giveLate(s *Server, m channel.Message) {
	f, err := parse(m)
	if err != nil {
		return
	}
	defer f.Release()
	if p.opts.Late != nil {
		p.opts.Late(s, f)
	}
}

// beginSettle asks a runner that still lives to finish: nobody serves it any more.
func (s *Server) beginSettle(stopping bool, reason string) error {
	if s.over() {
		return nil
	}
	if stopping {
		return s.beginDrain(reason)
	}
	return s.set.requests.Seal("it is served no more")
}

// verdict says how the instance ended.
func (p *Supervisor) verdict(s *Server, exit Exit) error {
	var end *EndedError
	if !errors.As(s.Err(), &end) {
		if exit.Killed {
			return fmt.Errorf("%w: %s", errGrace, s.Status().Who)
		}
		return nil
	}
	switch {
	case exit.Asked && end.Err == nil:
		return nil
	case exit.Killed && !exit.Joined && !exit.Asked:
		return fmt.Errorf("it did not call link.Join within %v: %w", p.opts.JoinWithin, end)
	}
	return end
}
