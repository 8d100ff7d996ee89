package channel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
)

// TestDoingSaysHowLongAndSinceWhen has words of its own for each way to hold others up.
func TestDoingSaysHowLongAndSinceWhen(t *testing.T) {
	const receiver, sender = layout.RoleReceiver, layout.RoleSender
	long := time.Now().Add(-12 * time.Second)
	for _, c := range []struct {
		p    channel.Participant
		want string
	}{
		{channel.Participant{Role: receiver, Held: 1}, "dead, not yet settled"},
		{
			channel.Participant{Role: receiver, Alive: true, Held: 1, Progress: long},
			"alive, holding 1 message for 12s, last progress 12s ago",
		},
		{
			channel.Participant{
				Role: receiver, Alive: true, Stopped: true, Held: 3, Progress: long,
			},
			"stopped, holding 3 messages for 12s, last progress 12s ago",
		},
		{
			channel.Participant{Role: receiver, Alive: true, Held: 1}, // never any progress
			"alive, holding 1 message",
		},
		{
			channel.Participant{
				Role: receiver, Alive: true, Held: 1, Progress: long,
				Busy: `busy "loading weights" for 12s of at most 1m0s`,
			},
			`alive, holding 1 message for 12s, busy "loading weights" for 12s of at most 1m0s`,
		},
		{
			channel.Participant{
				Role: receiver, Alive: true, Waiting: "data", WaitingTime: 11 * time.Second,
				Progress: long,
			},
			"alive, waiting for data for 11s, last progress 12s ago",
		},
		{
			channel.Participant{Role: receiver, Alive: true, Closing: true, Progress: long},
			"alive, closing, last progress 12s ago",
		},
		{
			channel.Participant{Role: sender, Alive: true, Reserved: 2, Held: 1, Progress: long},
			"alive, filling 2 slots, holding 1 lease, last progress 12s ago",
		},
	} {
		assert.Equal(t, c.want, c.p.Doing())
	}
}

// waitForRoom sends into a full channel for longer than StallAfter, beside work, and drains it
// for as long. It returns what the two deadlines say.
func waitForRoom(t *testing.T, beside func(rx *channel.Receiver, over <-chan struct{})) []string {
	t.Helper()
	begin(t)
	const stall = 500 * time.Millisecond
	ch := newChannel(t, channel.Options{
		Slots: 1, OpenOptions: channel.OpenOptions{StallAfter: stall},
	})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(t.Context(), []byte("full")))
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		beside(rx, over)
	}()
	wait := func(f func(context.Context) error) string {
		ctx, cancel := context.WithTimeout(t.Context(), stall+stall/10)
		defer cancel()
		err := f(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return err.Error()
	}
	texts := []string{
		wait(func(ctx context.Context) error { return tx.Send(ctx, []byte("no room")) }),
		wait(func(ctx context.Context) error { return ch.Drain(ctx, nil) }),
	}
	close(over)
	<-ended
	_, err := rx.RecvAppend(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	return texts
}

func TestReceiverWithoutProgressIsCalledStuck(t *testing.T) {
	idle := func(_ *channel.Receiver, over <-chan struct{}) { <-over }
	for _, text := range waitForRoom(t, idle) {
		assert.Regexp(t, `alive, last progress \S+ ago: stuck$`, text)
	}
}

// TestReceiverThatMovesIsNotCalledStuck has one that gets on, though the waiter does not.
func TestReceiverThatMovesIsNotCalledStuck(t *testing.T) {
	for _, text := range waitForRoom(t, func(rx *channel.Receiver, over <-chan struct{}) {
		for {
			select {
			case <-over:
				return
			default:
				rx.Busy("a moment", time.Hour)() // which is progress
			}
		}
	}) {
		assert.Regexp(t, `receiver pid \d+ \(\S+\) alive, `, text)
		assert.NotContains(t, text, "stuck")
	}
}

// TestDrainThatJustBeganCallsNobodyStuck has a receiver that had nothing to do for long.
func TestDrainThatJustBeganCallsNobodyStuck(t *testing.T) {
	begin(t)
	ch := newChannel(t, channel.Options{
		OpenOptions: channel.OpenOptions{StallAfter: time.Hour},
	})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(t.Context(), []byte("at last")))
	before := time.Now().Add(-2 * time.Hour)
	ch.View().Participants[layout.PlaceReceiver].ProgressNs.Store(before.UnixNano())
	err := ch.Drain(short(t), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Regexp(t, `alive, .*last progress 2h\S* ago`, err.Error())
	require.NotContains(t, err.Error(), "stuck")
	_, err = rx.RecvAppend(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, ch.Close())
}
