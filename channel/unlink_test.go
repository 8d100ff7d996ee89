package channel_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// watchOf runs Watch and tells its first change and its last error.
func watchOf(ctx context.Context, ch *channel.Channel) (begun chan struct{}, ended chan error) {
	begun, ended = make(chan struct{}), make(chan error, 1)
	go func() {
		first := true
		var last error
		for _, err := range ch.Watch(ctx) {
			if first {
				close(begun)
				first = false
			}
			last = err
		}
		ended <- last
	}()
	return begun, ended
}

func TestWatchEndsWhenTheSegmentLosesItsName(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, path string){
		"unlinked": func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Remove(path))
		},
		"replaced": func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.WriteFile(path+"x", nil, 0o600))
			require.NoError(t, os.Rename(path+"x", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			channel.NoSlices()
			ctx := begin(t)
			ch := newChannel(t, channel.Options{})
			seen, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
			require.NoError(t, err)
			begun, ended := watchOf(ctx, ch)
			observing, observed := watchOf(ctx, seen)
			<-begun
			<-observing
			lose(t, ch.Path())
			require.ErrorIs(t, <-ended, channel.ErrOrphaned)
			require.ErrorIs(t, <-observed, channel.ErrOrphaned)
			require.NoError(t, seen.Close())
			require.NoError(t, ch.Close())
			_ = os.Remove(ch.Path()) // that of the successor
		})
	}
}

// TestObserverOfAChannelThatEverybodyLeftIsTold has the last participant leave an ephemeral
// channel, whose file goes without having been closed.
func TestObserverOfAChannelThatEverybodyLeftIsTold(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	seen, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
	require.NoError(t, err)
	begun, ended := watchOf(ctx, seen)
	<-begun
	require.NoError(t, ch.Close())
	require.ErrorIs(t, <-ended, channel.ErrOrphaned)
	require.NoError(t, seen.Close())
}

// TestSenderOfAnUnlinkedSegmentIsToldThoughThereIsRoom has room for all of its messages:
// nobody could come and receive them.
func TestSenderOfAnUnlinkedSegmentIsToldThoughThereIsRoom(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 64})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("before")))
	begun, ended := watchOf(ctx, ch)
	<-begun
	require.NoError(t, os.Remove(ch.Path()))
	require.ErrorIs(t, <-ended, channel.ErrOrphaned) // now this attachment knows
	require.ErrorIs(t, tx.Send(ctx, []byte("after")), channel.ErrOrphaned)
	require.ErrorIs(t, tx.TrySend([]byte("after")), channel.ErrOrphaned)
	_, err := tx.SendBatch(ctx, [][]byte{[]byte("after")})
	require.ErrorIs(t, err, channel.ErrOrphaned)
	_, err = tx.Reserve(ctx, 1)
	require.ErrorIs(t, err, channel.ErrOrphaned)
	got, err := rx.RecvAppend(ctx, nil)
	require.NoError(t, err, "what was accepted is delivered")
	require.Equal(t, "before", string(got))
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrOrphaned)
	require.NoError(t, ch.Close())
}
