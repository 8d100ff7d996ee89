//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// receiving returns a call of a receiver.
func receiving(name string, call func(a *actor) error) *steppedCall {
	list := []uint64{1, 2, 17, 3, 4}
	return &steppedCall{
		name: name, victims: manyVictims, some: 96, loads: true, call: call,
		prepare: func(t *testing.T, s *scene) {
			t.Helper()
			s.create(t, true, false)
			s.send(list...)
		},
		beside: besideReceiver,
		check:  checkReceiver,
	}
}

// recv receives n messages and holds them.
func (a *actor) recv(n int) error {
	for range n {
		m, err := a.rx.Recv(context.Background())
		if err != nil {
			return err
		}
		a.held = append(a.held, m)
	}
	return nil
}

// release gives back all messages.
func (a *actor) release() {
	for _, m := range a.held {
		m.Release()
	}
	a.held = nil
}

func registerReceivers() {
	ctx := context.Background()
	// two receives two messages and gives them back.
	two := func(a *actor) error {
		err := errors.Join(a.open(false, true), a.recv(2))
		a.release()
		return err
	}
	recv := receiving("recv", func(a *actor) (err error) {
		a.got, err = a.rx.Recv(ctx)
		return err
	})
	recv.after = func(a *actor) error { _, _, err := verify(a.got.Bytes()); return err }
	recv.before, recv.acked, recv.under, recv.released = two, []uint64{1, 2}, []uint64{17}, 2

	release := receiving("release", func(a *actor) error { a.held[0].Release(); return nil })
	release.before = func(a *actor) error { return errors.Join(a.open(false, true), a.recv(3)) }
	release.acked, release.under, release.released = []uint64{1, 2, 17}, []uint64{1}, 0

	spend := receiving("recv append", func(a *actor) (err error) {
		a.buf, err = a.rx.RecvAppend(ctx, a.buf[:0])
		return err
	})
	spend.before = func(a *actor) (err error) {
		a.buf = make([]byte, 0, 8<<10)
		err = a.open(false, true)
		for range 2 {
			if err == nil {
				err = spend.call(a)
			}
		}
		return err
	}
	spend.after = func(a *actor) error { _, _, err := verify(a.buf); return err }
	spend.acked, spend.under, spend.released = []uint64{1, 2}, []uint64{17}, 2

	// A sender waits for room: the release has to wake it, or the death has to.
	wakes := receiving("release and wake", release.call)
	wakes.before, wakes.acked, wakes.under = release.before, release.acked, release.under
	wakes.beside, wakes.loads = nil, false
	wakes.prepare = func(t *testing.T, s *scene) {
		t.Helper()
		s.create(t, true, false)
		s.send(1, 2, 17, 3, 4, 5, 6, 7)
		s.block(t.Context(), 8, func() bool { return true })
	}

	// The ring is empty, and the call waits until a message comes.
	parked := receiving("recv when empty", recv.call)
	parked.before, parked.acked, parked.released = two, []uint64{1, 2}, 2
	parked.victims, parked.some, parked.beside, parked.loads = 1, 40, nil, false
	parked.prepare = func(t *testing.T, s *scene) {
		t.Helper()
		s.create(t, true, false)
		s.send(1, 2)
		s.block(t.Context(), 3, func() bool { return waiting(&s.ch.Control().Data) })
	}
	register(recv, release, spend, wakes, parked)
}

func besideReceiver(t *testing.T, s *scene) {
	t.Helper()
	_, err := s.ch.TryReceiver()
	require.ErrorIs(t, err, channel.ErrBusy, "a living receiver was robbed: %v", s)
	s.send(6)
}

func checkReceiver(s *scene) {
	ctx, c := s.t.Context(), s.call
	if s.blocks != nil {
		if err := <-s.blocks; err == nil {
			s.sent = append(s.sent, s.last)
		} else {
			require.ErrorIs(s.t, err, channel.ErrPeerDead, "%v", s)
		}
	}
	var err error
	s.rx, err = s.ch.Receiver(ctx)
	require.NoError(s.t, err, "%v", s)
	for {
		m, err := s.rx.TryRecv()
		if errors.Is(err, channel.ErrEmpty) {
			break
		}
		require.NoError(s.t, err, "%v", s)
		require.NoError(s.t, s.take(m), "%v", s)
	}
	missing := s.missingOf(1, s.sent) + s.missingOf(2, upTo(s.others))
	s.checkMissing(uint64(missing))
	for i, m := range s.got {
		if missing+i < len(c.acked) {
			require.True(s.t, m.again, "message %d was handed out before: %v", m.index, s)
		}
	}
	s.goesOn()
	require.Zero(s.t, s.ch.Stats().Holes, "%v", s)
	s.finish()
}

// missingOf returns how many of the first messages of a sender did not come again. The
// others came in order.
func (s *scene) missingOf(who uint64, sent []uint64) int {
	s.t.Helper()
	got := s.of(who)
	require.LessOrEqual(s.t, len(got), len(sent), "duplicated: %v", s)
	missing := len(sent) - len(got)
	require.Equal(s.t, append([]uint64{}, sent[missing:]...), got, "order, no gap: %v", s)
	return missing
}

// checkMissing judges how many messages of the front do not come again.
func (s *scene) checkMissing(missing uint64) {
	s.t.Helper()
	c := s.call
	least, most := uint64(0), c.released
	switch c.name {
	case "recv append": // what it returned never comes again
		least, most = c.released, c.released+1
		if s.ended {
			least = most
		}
	case "release", "release and wake":
		most++
	}
	require.GreaterOrEqual(s.t, missing, least, "duplicated: %v", s)
	require.LessOrEqual(s.t, missing, most, "lost: %v", s)
}
