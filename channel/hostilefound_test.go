package channel_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

func TestRemoveOfADamagedRingIsErrCorrupt(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Lifetime: channel.Persistent})
	ch.Control().Head.V.Store(^uint64(0))
	require.NoError(t, ch.Close())
	require.ErrorIs(t, channel.Remove(ctx, "q", channel.RemoveOptions{}), channel.ErrCorrupt)
	require.NoError(t, channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}))
}

// Somebody moves the tail on as fast as whoever cleans up passes what it reserves.
func TestTailThatRunsAwayEndsNoCleanUp(t *testing.T) {
	for _, o := range []channel.ShutdownOptions{
		{},
		{AtDeadline: channel.Force, Discarded: func([]byte) {}},
	} {
		ctx := begin(t)
		ch := newChannel(t, channel.Options{Slots: 4, ArenaBytes: channel.NoArena})
		require.NoError(t, ch.Seal("to be drained"))
		var wg sync.WaitGroup
		stop := make(chan struct{})
		wg.Go(func() {
			const slots, seal = 4, 1 << 63
			ctl := ch.Control()
			for {
				select {
				case <-stop:
					return
				default:
					ctl.Tail.V.Store((ctl.Head.V.Load() + slots) | seal)
				}
			}
		})
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_, err := ch.Shutdown(short, o)
		cancel()
		close(stop)
		wg.Wait()
		require.NoError(t, typed(err))
		shmtest.Yield()
		require.NoError(t, ch.Close())
		_ = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}) // Force removed it
	}
}
