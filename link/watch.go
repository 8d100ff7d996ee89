package link

import (
	"context"
	"errors"
	"sync"

	"shmring/channel"
)

// startWatch watches the runner until stopWatch. When it returns, who comes will be seen.
func (s *Server) startWatch(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	begun, ended := make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	go func() {
		defer close(ended)
		defer begin()
		s.watchRunner(ctx, begin)
	}()
	<-begun
	s.stopWatch = func() { cancel(); <-ended }
}

// watchRunner learns from the segments when the runner comes and goes, until ctx ends. The
// sender of the tokens is the last role that a runner takes.
func (s *Server) watchRunner(ctx context.Context, begun func()) {
	for c, err := range s.set.tokens.Watch(ctx) {
		begun() // the state is told at the beginning
		switch {
		case err != nil:
			if ctx.Err() == nil && !errors.Is(err, channel.ErrClosed) {
				s.ended(err, s.opts.Command == nil)
			}
			return
		case c.Role.String() != "sender":
		case c.Kind == channel.Joined:
			s.attached(int(c.PID))
		case c.Kind == channel.Died:
			s.ended(&channel.PeerError{
				PID: c.PID, Role: c.Role, Instance: c.Instance, Comm: c.Comm,
			}, s.opts.Command == nil)
		case c.Kind == channel.Left:
			s.ended(nil, s.opts.Command == nil)
		}
	}
}

func (s *Server) attached(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pid == 0 {
		s.pid = pid
	}
	select {
	case <-s.joined:
	default:
		close(s.joined)
	}
}

// ended notes how the runner ended, if final: of a child, its exit is the end, and what the
// segments say before that is not.
func (s *Server) ended(err error, final bool) {
	if !final {
		return
	}
	note := ""
	if _, value, lerr := s.set.status.Load(); lerr == nil {
		if t, ok := decodeTold(value); ok {
			note = t.note
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return
	}
	s.end = &EndedError{
		Instance: s.id, PID: s.pid, Err: err, Note: note, Asked: s.draining.Load(),
	}
	select {
	case <-s.joined:
		s.end.Joined = true
	default:
	}
	s.endLife()
}

// beginDrain seals the requests: the runner gets what is there, and then the end.
func (s *Server) beginDrain(reason string) error {
	if s.draining.Swap(true) {
		return nil
	}
	return s.set.requests.Seal(reason)
}
