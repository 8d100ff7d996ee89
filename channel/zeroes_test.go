//go:build linux

package channel_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// zero truncates the file of a channel and grows it again: its bytes are zero, and no access
// faults.
func zero(t *testing.T, ch *channel.Channel) {
	t.Helper()
	info, err := os.Stat(ch.Path())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(ch.Path(), 0))
	require.NoError(t, os.Truncate(ch.Path(), info.Size()))
}

func TestNobodyWaitsForADrainOrARoleOverZeroes(t *testing.T) {
	for name, wait := range map[string]func(context.Context, *channel.Channel, func()) error{
		"drain": func(ctx context.Context, ch *channel.Channel, waits func()) error {
			return ch.Drain(ctx, func(channel.Progress) { waits() })
		},
		"receiver": func(ctx context.Context, ch *channel.Channel, waits func()) error {
			waits()
			_, err := ch.Receiver(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			channel.NoSlices()
			ctx := begin(t)
			ch := newChannel(t, channel.Options{Slots: 4})
			tx, rx := pair(t, ch)
			require.NoError(t, tx.Send(ctx, nil))
			begun, ended := make(chan struct{}, 1), make(chan error, 1)
			go func() { ended <- wait(ctx, ch, func() { begun <- struct{}{} }) }()
			<-begun
			zero(t, ch)
			err := <-ended // it may have met the moment in between
			known := errors.Is(err, channel.ErrCorrupt) || errors.Is(err, channel.ErrFault)
			require.True(t, known, err)
			_, err = rx.Recv(ctx)
			require.Error(t, err)
			require.NoError(t, ch.Close())
			err = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true})
			require.True(t, err == nil || errors.Is(err, fs.ErrNotExist), err)
		})
	}
}
