//go:build fault

package channel_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

func init() { children["send-when-told"] = childSendWhenTold }

// What comes between the announcement of a sleep and the sleep itself is seen: everything is
// looked at once more. No slice ends these sleeps.

func TestWhatComesWhileAReceiverFallsAsleepIsSeen(t *testing.T) {
	ctx := begin(t)
	channel.NoSlices()
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	atPoint(t, "channel.recv.announced", func() { require.NoError(t, tx.TrySend([]byte("x"))) })
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	m.Release()
	require.NoError(t, ch.Close())
}

func TestWhatComesWhileASenderFallsAsleepIsSeen(t *testing.T) {
	ctx := begin(t)
	channel.NoSlices()
	ch := newChannel(t, channel.Options{Slots: 2})
	tx, rx := pair(t, ch)
	for range 2 {
		require.NoError(t, tx.Send(ctx, nil))
	}
	atPoint(t, "channel.send.announced", func() { require.Equal(t, 2, drain(t, rx)) })
	require.NoError(t, tx.Send(ctx, nil))
	drain(t, rx)
	require.NoError(t, ch.Close())
}

func TestWhatComesWhileAWaitFallsAsleepIsSeen(t *testing.T) {
	ctx := begin(t)
	channel.NoSlices()
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	atPoint(t, "channel.wait.announced", func() { require.NoError(t, tx.TrySend([]byte("x"))) })
	i, err := channel.Wait(ctx, rx)
	require.NoError(t, err)
	require.Zero(t, i)
	drain(t, rx)
	require.NoError(t, ch.Close())
}

func TestWhatComesWhileAnEventsWaiterFallsAsleepIsSeen(t *testing.T) {
	ctx := begin(t)
	channel.NoSlices()
	e, err := channel.CreateEvent(ctx, "e", channel.EventOptions{})
	require.NoError(t, err)
	other, err := channel.OpenEvent(ctx, "e", channel.OpenOptions{})
	require.NoError(t, err)
	atPoint(t, "channel.event.announced", func() {
		_, err := other.Signal([]byte("x"))
		require.NoError(t, err)
	})
	_, value, err := e.Wait(ctx, 0)
	require.NoError(t, err)
	require.Equal(t, "x", string(value))
	require.NoError(t, other.Close())
	require.NoError(t, e.Close())
}

// asleep waits until the receiver has looked at everything and goes to sleep.
func asleep(ch *channel.Channel, what uint32) {
	for ch.View().Participants[layout.PlaceReceiver].WaitFor.Load() != what {
		shmtest.Yield()
	}
}

func childSendWhenTold(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	c.Say("sender")
	c.Hear()
	return tx.Send(ctx, []byte("last"))
}

// A sender is killed after it committed a message and before it woke the receiver: the
// notice of its death wakes everybody.
func TestAWakeUpThatDiedWithItsSenderIsMadeGood(t *testing.T) {
	ctx := begin(t)
	channel.NoSlices()
	ch := newChannel(t, channel.Options{})
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	t.Setenv("SHMRING_FAULT", "ring.commit.cleared:kill")
	child := shmtest.Start(t, "send-when-told", "q")
	child.Expect("sender")
	got := make(chan error, 1)
	go func() {
		m, err := rx.Recv(ctx)
		if err == nil {
			m.Release()
		}
		got <- err
	}()
	asleep(ch, layout.WaitData)
	child.Say("send")
	require.ErrorContains(t, child.Wait(), "killed")
	require.NoError(t, <-got)
	require.NoError(t, ch.Close())
}
