package channel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

// Whoever settles the dead may die before he tells, where nobody hears of that either.

func TestWaitFindsADeathThatNobodyTold(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	for name, wait := range map[string]func(*channel.Receiver) error{
		"Recv": func(rx *channel.Receiver) error { _, err := rx.Recv(ctx); return err },
		"Wait": func(rx *channel.Receiver) error {
			if _, err := channel.Wait(ctx, rx); err != nil {
				return err
			}
			_, err := rx.Recv(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel(t, channel.Options{})
			_, rx := pair(t, ch)
			ch.Deafen()
			ended := make(chan error, 1)
			go func() { ended <- wait(rx) }()
			bitIsSet(&ch.Control().Data)
			require.NoError(t, ch.SettleUntold(layout.PlaceSender))
			require.ErrorIs(t, <-ended, channel.ErrPeerDead)
		})
	}
}

func TestWaitForRoomFindsADeathThatNobodyTold(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 2})
	tx, _ := pair(t, ch)
	for range 2 {
		require.NoError(t, tx.Send(ctx, nil))
	}
	ch.Deafen()
	ended := make(chan error, 1)
	go func() { _, err := channel.Wait(ctx, tx); ended <- err }()
	bitIsSet(&ch.Control().Space)
	require.NoError(t, ch.SettleUntold(layout.PlaceReceiver))
	require.NoError(t, <-ended)
	require.ErrorIs(t, tx.Send(ctx, nil), channel.ErrPeerDead)
	_ = ch.Close() // the receiver is none of ours any more
	require.NoError(t, channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}))
}

// Somebody dies between the lock of a place and his number in it, or the other way round
// when he leaves, and the kernel tells of that long before it frees the lock.
func TestRoleOfOneWhoDiedWithoutANumberIsGot(t *testing.T) {
	channel.NoSlices()
	ctx := &slept{Context: begin(t), asleep: make(chan struct{}, 1)}
	ch := newChannel(t, channel.Options{})
	dead, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	ch.LoseNotices()
	require.NoError(t, dead.Hold(layout.PlaceReceiver))
	got := make(chan error, 1)
	go func() { _, err := ch.Receiver(ctx); got <- err }()
	<-ctx.asleep
	require.NoError(t, dead.Drop(layout.PlaceReceiver))
	ch.Notice(true)
	require.NoError(t, <-got)
	require.NoError(t, dead.Close())
	require.NoError(t, ch.Close())
}

// slept says when somebody asks how long it may sleep.
type slept struct {
	context.Context

	asleep chan struct{}
}

func (s *slept) Deadline() (time.Time, bool) {
	select {
	case s.asleep <- struct{}{}:
	default:
	}
	return time.Time{}, false
}

// bitIsSet waits until somebody has announced that he sleeps on e. He has looked at deaths
// before, and nothing has happened since.
func bitIsSet(e *layout.Event) {
	for e.Bits[0].Load() == 0 {
		shmtest.Yield()
	}
}
