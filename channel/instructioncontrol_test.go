//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/state"
)

func registerControls() {
	ctx := context.Background()
	past, cancel := context.WithDeadline(ctx, time.Unix(1, 0))
	defer cancel()
	attached := func(a *actor) error { return a.open(false, false) }
	shutdown := func(a *actor) error {
		_, err := a.ch.Shutdown(ctx, channel.ShutdownOptions{Reason: "victim"})
		return err
	}
	idle := &steppedCall{
		name: "shutdown", loads: true, some: 20, ours: true, whole: true,
		before: attached, call: shutdown, check: checkShutdown,
		prepare: func(t *testing.T, s *scene) {
			t.Helper()
			s.create(t, true, true)
			if s.load {
				s.collect(t.Context(), func() bool { return true })
			}
		},
	}
	drained := &steppedCall{
		name: "shutdown and drain", loads: true, some: 20, ours: true,
		before: attached, call: shutdown,
		check: checkShutdown,
		prepare: func(t *testing.T, s *scene) {
			t.Helper()
			s.create(t, true, true)
			s.send(1, 2, 17)
			s.collect(t.Context(), func() bool { return s.ch.State() != state.Active })
		},
	}
	force := &steppedCall{
		name: "force", some: 20, ours: true,
		before: attached, check: checkForce,
		call: func(a *actor) error {
			_, err := a.ch.Shutdown(past, channel.ShutdownOptions{AtDeadline: channel.Force})
			return err
		},
		prepare: func(t *testing.T, s *scene) {
			t.Helper()
			s.create(t, true, false)
			s.send(1, 2, 17)
		},
	}
	rollback := &steppedCall{
		name: "rollback", some: 20, ours: true,
		before: attached, check: checkRollback,
		call: func(a *actor) error {
			_, err := a.ch.Shutdown(past, channel.ShutdownOptions{AtDeadline: channel.Rollback})
			if errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		},
		prepare: func(t *testing.T, s *scene) {
			t.Helper()
			s.create(t, true, true)
			s.send(1, 2, 17)
		},
	}
	recovers := &steppedCall{
		name: "recover", some: 20, ours: true, whole: true,
		before: attached, check: checkRecover,
		call:    func(a *actor) error { _, err := a.ch.Recover(ctx); return err },
		prepare: prepareRecover,
	}
	register(idle, drained, force, rollback, recovers)
}

// refusedOrSent tries one more message.
func (s *scene) refusedOrSent(i uint64) {
	s.t.Helper()
	err := s.tx.TrySend(message(1, i))
	if s.load && errors.Is(err, channel.ErrFull) { // the others filled it, nobody receives
		require.False(s.t, s.ended, "%v", s)
		return
	}
	if err != nil {
		require.ErrorIs(s.t, err, channel.ErrClosed, "%v", s)
		return
	}
	require.False(s.t, s.ended, "%v", s)
	s.sent = append(s.sent, i)
}

func checkShutdown(s *scene) {
	ctx := s.t.Context()
	path := s.ch.Path()
	s.refusedOrSent(3)
	if s.haul == nil {
		s.collect(ctx, func() bool { return true })
	}
	_, err := s.ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(s.t, err, "%v", s)
	require.Equal(s.t, io.EOF, <-s.haul, "%v", s)
	require.Equal(s.t, append([]uint64{}, s.sent...), s.of(1), "%v", s)
	require.Equal(s.t, upTo(s.others), s.of(2), "%v", s)
	s.closed(path)
}

func checkForce(s *scene) {
	past, cancel := context.WithDeadline(s.t.Context(), time.Unix(1, 0))
	defer cancel()
	path := s.ch.Path()
	s.refusedOrSent(3)
	_, err := s.ch.Shutdown(past, channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(s.t, err, "%v", s)
	require.EqualValues(s.t, len(s.sent), s.ch.Stats().Discarded, "counted once: %v", s)
	require.Equal(s.t, state.Closed, s.ch.State(), "%v", s)
	s.gone(path)
}

func checkRollback(s *scene) {
	ctx := s.t.Context()
	_, err := s.ch.Recover(ctx)
	require.NoError(s.t, err, "%v", s)
	if s.ended {
		require.Equal(s.t, state.Active, s.ch.State(), "%v", s)
	}
	if err := s.tx.TrySend(message(1, 3)); err == nil {
		s.sent = append(s.sent, 3)
	} else { // killed between the seal and the end of the rollback
		require.False(s.t, s.ended, "%v", s)
		require.ErrorIs(s.t, err, channel.ErrDraining, "%v", s)
	}
	require.NoError(s.t, s.ch.Seal("end"), "%v", s)
	require.Equal(s.t, io.EOF, s.receive(ctx), "%v", s)
	require.Equal(s.t, s.sent, s.of(1), "%v", s)
	s.finish()
}

// prepareRecover damages a slot, so that the channel goes to ERROR.
func prepareRecover(t *testing.T, s *scene) {
	t.Helper()
	s.create(t, true, true)
	s.send(1, 2, 3, 4)
	word := layout.Word(s.ch.View().Slots, 2*uint64(s.ch.View().SlotSize))
	word.Store(0xdead_beef_dead_beef)
	require.ErrorIs(t, s.receive(t.Context()), channel.ErrCorrupt)
	require.Equal(t, []uint64{1, 2}, s.of(1))
	require.NoError(t, s.rx.Close())
	require.Equal(t, state.Error, s.ch.State())
}

func checkRecover(s *scene) {
	ctx := s.t.Context()
	if s.ended {
		require.Equal(s.t, state.Active, s.ch.State(), "%v", s)
	}
	_, err := s.ch.Recover(ctx)
	require.NoError(s.t, err, "%v", s)
	require.Equal(s.t, state.Active, s.ch.State(), "%v", s)
	s.rx, err = s.ch.Receiver(ctx)
	require.NoError(s.t, err, "%v", s)
	s.takeAll(1)
	require.Equal(s.t, []uint64{1, 2, 4}, s.of(1), "what was whole is kept: %v", s)
	require.NotZero(s.t, s.ch.Stats().Corrupt, "%v", s)
	s.goesOn()
	s.finish()
}
