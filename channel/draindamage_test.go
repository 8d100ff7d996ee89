package channel_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/futex"
	"shmring/state"
)

// waitBesideReceiver lets f wait for the drain of a channel whose second message is damaged,
// which its living receiver has not met yet, and returns the receiver and the end of f.
func waitBesideReceiver(
	t *testing.T, ch *channel.Channel, f func() error,
) (rx *channel.Receiver, ended chan error) {
	t.Helper()
	tx, rx := pair(t, ch)
	for range 3 {
		require.NoError(t, tx.Send(t.Context(), []byte("x")))
	}
	m, err := rx.Recv(t.Context())
	require.NoError(t, err)
	m.Release()
	slotWord(ch, 1).Store(0xdead_beef_dead_beef)
	ended = make(chan error, 1)
	go func() { ended <- f() }()
	awaitWaiting(t, ch, "drain")
	return rx, ended
}

func TestForceEndsAChannelWhoseLivingReceiverMeetsDamage(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	var report channel.Report
	rx, ended := waitBesideReceiver(t, ch, func() (err error) {
		report, err = ch.Shutdown(context.WithoutCancel(ctx),
			channel.ShutdownOptions{AtDeadline: channel.Force})
		return err
	})
	_, err := rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	for !errors.Is(err, channel.ErrClosed) { // until it hears of the end
		_, err = rx.Recv(ctx)
	}
	require.NoError(t, <-ended)
	assert.Equal(t, state.Closed, report.State)
	require.NoError(t, ch.Close())
}

func TestDrainAndLeaveSayThatALivingReceiverMeetsDamage(t *testing.T) {
	for name, wait := range map[string]func(context.Context, *channel.Channel) error{
		"drain": func(ctx context.Context, ch *channel.Channel) error { return ch.Drain(ctx, nil) },
		"leave": func(ctx context.Context, ch *channel.Channel) error {
			_, err := ch.Shutdown(ctx, channel.ShutdownOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			channel.NoSlices()
			ctx := begin(t)
			ch := newChannel(t, channel.Options{})
			rx, ended := waitBesideReceiver(t, ch, func() error {
				return wait(context.WithoutCancel(ctx), ch)
			})
			_, err := rx.Recv(ctx)
			require.ErrorIs(t, err, channel.ErrCorrupt)
			require.ErrorIs(t, <-ended, channel.ErrCorrupt)
			require.NoError(t, ch.Close())
			all := channel.RemoveOptions{Unread: true}
			require.NoError(t, channel.Remove(ctx, "q", all), "it keeps what nobody received")
		})
	}
}

// TestShutdownGoesOnFromTheErrorOfARollbackThatDied puts the channel into the state that a
// rollback leaves if it is killed half-way, under a shutdown that waits.
func TestShutdownGoesOnFromTheErrorOfARollbackThatDied(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("held")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := ch.Shutdown(context.WithoutCancel(ctx), channel.ShutdownOptions{})
		ended <- err
	}()
	awaitWaiting(t, ch, "drain")
	c := ch.View().Control
	next, err := state.Next(state.Word(c.State.V.Load()), state.Error, false)
	require.NoError(t, err)
	c.State.V.Store(uint32(next))
	state.New(c).WakeAll()
	for ch.State() == state.Error {
		futex.Round()
	}
	m.Release()
	require.NoError(t, <-ended)
	require.Equal(t, state.Closed, ch.State())
	require.NoError(t, ch.Close())
}
