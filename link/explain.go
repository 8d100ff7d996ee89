package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"shmring/channel"
)

// endTime is how long an error waits for the exit status of a runner whose locks are free.
const endTime = time.Second

// explain turns the errors by which a channel tells of the runner's end into an EndedError.
func (s *Server) explain(ctx context.Context, err error) error {
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case errors.Is(err, channel.ErrPeerDead), errors.Is(err, io.EOF):
	case errors.Is(err, channel.ErrClosed), errors.Is(err, channel.ErrOrphaned):
		switch ended := s.Err(); {
		case ended != nil:
			return ended
		case s.draining.Load() && !errors.Is(err, channel.ErrDraining):
			return fmt.Errorf("%w: %w", channel.ErrDraining, err) // it is drained already
		}
		return err
	default:
		return err
	}
	how := err
	if errors.Is(err, io.EOF) {
		how = nil
	}
	if s.ended(how, s.opts.Command == nil); s.opts.Command == nil {
		return s.Err()
	}
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-s.life.Done():
	case <-ctx.Done():
	case <-timer.C:
	}
	if ended := s.Err(); ended != nil {
		return ended
	}
	return &EndedError{
		Instance: s.id, PID: s.PID(), Joined: true, Err: how, Asked: s.draining.Load(),
	}
}
