//go:build linux

package channel_test

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
)

// guarded creates a channel whose calls bear that its memory goes, and a receiver. What the
// test leaves of it is cleared away.
func guarded(t *testing.T, name string, log *slog.Logger) (*channel.Channel, *channel.Receiver) {
	t.Helper()
	o := damageOptions
	o.Guard, o.Logger = true, log
	ch, err := channel.Create(t.Context(), name, o)
	require.NoError(t, err)
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = ch.Close() // its memory is gone
		require.NoError(t, os.Remove(ch.Path()))
	})
	return ch, rx
}

// TestSleeperIsToldOfDamageElsewhere cuts off the rows and slots. The word that a receiver sleeps
// on is still there, and only the notice can wake it.
func TestSleeperIsToldOfDamageElsewhere(t *testing.T) {
	bearable(t, "truncate")
	channel.NoSlices()
	ctx := begin(t)
	ch, rx := guarded(t, "q", nil)
	ended := make(chan error, 1)
	go func() { _, err := rx.Recv(ctx); ended <- err }()
	awaitWaiting(t, ch, "data")
	require.NoError(t, os.Truncate(ch.Path(), 3*layout.PageSize))
	require.ErrorIs(t, <-ended, channel.ErrFault)
}

// TestWhoSleepsOnMemoryThatIsGoneDoesNotWaitForALogger has one that takes very long.
func TestWhoSleepsOnMemoryThatIsGoneDoesNotWaitForALogger(t *testing.T) {
	bearable(t, "truncate")
	channel.NoSlices()
	ctx := begin(t)
	release := make(chan struct{})
	ch, rx := guarded(t, "q", slog.New(slowLog{slog.DiscardHandler, release}))
	ch.LoseNotices()
	ended, closed := make(chan error, 1), make(chan error, 1)
	go func() { _, err := rx.Recv(ctx); ended <- err }()
	awaitWaiting(t, ch, "data")
	require.NoError(t, os.Truncate(ch.Path(), 0))
	go func() { closed <- rx.Close() }()
	require.ErrorIs(t, <-ended, channel.ErrFault)
	close(release)
	require.ErrorIs(t, <-closed, channel.ErrFault)
}

// slowLog takes until it is released for each record.
type slowLog struct {
	slog.Handler

	release <-chan struct{}
}

func (l slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (l slowLog) Handle(context.Context, slog.Record) error {
	<-l.release
	return nil
}
