//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
)

// sending returns a call of a sender, which has sent acked before.
func sending(name string, acked, under []uint64, call func(a *actor) error) *steppedCall {
	return &steppedCall{
		name: name, victims: manyVictims, some: 96, loads: true, acked: acked, under: under,
		before: func(a *actor) error { return errors.Join(a.open(true, false), a.send(acked...)) },
		call:   call,
		prepare: func(t *testing.T, s *scene) {
			t.Helper()
			s.create(t, false, true)
			if s.load {
				s.collect(t.Context(), func() bool { return true })
			}
		},
		beside: besideSender,
		check:  checkSender,
	}
}

func registerSenders() {
	ctx := context.Background()
	sendLast := func(i uint64) func(a *actor) error {
		b := message(1, i)
		return func(a *actor) error { return a.tx.Send(ctx, b) }
	}
	b := message(1, 3)
	reserve := func(a *actor) error {
		l, err := a.tx.Reserve(ctx, 64) // through the arena
		if err != nil {
			return err
		}
		return l.Commit(copy(l.Bytes(), b))
	}
	batch := [][]byte{message(1, 3), message(1, 4), message(1, 51)}
	sendBatch := func(a *actor) error {
		n, err := a.tx.SendBatch(ctx, batch)
		if err == nil && n != len(batch) {
			return fmt.Errorf("sent %d", n)
		}
		return err
	}
	inline := sending("send inline", []uint64{1, 2}, []uint64{3}, sendLast(3))
	spsc := sending("send SPSC", []uint64{1, 2}, []uint64{3}, sendLast(3))
	spsc.kind, spsc.beside, spsc.loads = channel.SPSC, nil, false
	arena := sending("send arena", []uint64{17, 34}, []uint64{51}, sendLast(51))
	lease := sending("reserve and commit", []uint64{1, 2}, []uint64{3}, reserve)
	many := sending("send batch", []uint64{1, 17}, []uint64{3, 4, 51}, sendBatch)

	// The receiver sleeps: the send has to wake it, or its death has to.
	wakes := sending("send and wake", []uint64{1, 2}, []uint64{3}, sendLast(3))
	wakes.beside, wakes.loads = nil, false
	wakes.prepare = func(t *testing.T, s *scene) {
		t.Helper()
		s.create(t, false, true)
		s.collect(t.Context(), func() bool { return true })
	}

	// The ring is full, and the call waits until a message is received.
	full := sending("send when full", []uint64{1, 2, 3, 4, 5, 6, 7, 8}, []uint64{9}, sendLast(9))
	full.victims, full.some, full.beside, full.loads = 1, 40, nil, false
	full.prepare = func(t *testing.T, s *scene) {
		t.Helper()
		s.create(t, false, true)
		s.collect(t.Context(), func() bool { return waiting(&s.ch.Control().Space) })
	}
	register(inline, spsc, arena, lease, many, wakes, full)
}

// waiting reports whether somebody sleeps on an event.
func waiting(e *layout.Event) bool {
	for i := range e.Bits {
		if e.Bits[i].Load() != 0 {
			return true
		}
	}
	return false
}

func besideSender(t *testing.T, s *scene) {
	t.Helper()
	if s.haul != nil {
		return
	}
	tx, err := s.ch.TrySender()
	require.NoError(t, err)
	for i := range uint64(3) {
		require.NoError(t, tx.TrySend(message(2, i)), "%v", s)
	}
	s.others = 3
	for {
		m, err := s.rx.TryRecv()
		if errors.Is(err, channel.ErrEmpty) {
			break
		}
		require.NoError(t, err, "%v", s)
		require.NoError(t, s.take(m), "%v", s)
	}
	require.Zero(t, s.skipped(), "a living sender was robbed: %v", s)
	require.NoError(t, tx.Close())
}

func checkSender(s *scene) {
	ctx, c := s.t.Context(), s.call
	var err error
	if s.haul != nil {
		err = <-s.haul
	} else {
		err = s.receive(ctx)
	}
	require.ErrorIs(s.t, err, channel.ErrPeerDead, "%v", s)
	got := s.of(1)
	require.GreaterOrEqual(s.t, len(got), len(c.acked), "lost: %v", s)
	require.Equal(s.t, c.acked, got[:len(c.acked)], "%v", s)
	rest := got[len(c.acked):]
	if s.ended {
		require.Equal(s.t, c.under, rest, "it was acknowledged: %v", s)
	}
	require.True(s.t, partOf(rest, c.under), "got %d of %d: %v", rest, c.under, s)
	require.Equal(s.t, upTo(s.others), s.of(2), "%v", s)
	for _, m := range s.got {
		require.False(s.t, m.again, "%v", s)
	}
	s.tx, err = s.ch.TrySender()
	require.NoError(s.t, err, "%v", s)
	s.goesOn()
	holes := s.skipped()
	require.Equal(s.t, holes, s.ch.Stats().Holes, "each hole is counted once: %v", s)
	if holes > 0 {
		reserved := len(rest) + int(holes)
		require.LessOrEqual(s.t, reserved, len(c.under), "%v", s)
		if !s.load { // with little room a batch is reserved in parts
			require.Len(s.t, c.under, reserved, "%v", s)
		}
		require.False(s.t, s.ended, "%v", s)
	}
	s.finish()
}

// partOf reports whether part is whole with some elements left out.
func partOf(part, whole []uint64) bool {
	for _, x := range whole {
		if len(part) > 0 && part[0] == x {
			part = part[1:]
		}
	}
	return len(part) == 0
}
