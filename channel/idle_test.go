package channel_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// threads returns how many threads this process has.
func threads(t testing.TB) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(tasks)
}

// TestIdleReceiversShareThreads parks many receivers of one process and wakes each.
func TestIdleReceiversShareThreads(t *testing.T) {
	channel.NoSlices()
	ctx, cancel := context.WithCancel(begin(t))
	many := 1000
	if testing.Short() {
		many = 200
	}
	before := threads(t)
	chs := make([]*channel.Channel, many)
	txs := make([]*channel.Sender, many)
	got := make(chan string, many)
	ended := make(chan error, many)
	for i := range many {
		ch, err := channel.Create(ctx, fmt.Sprintf("q%d", i), channel.Options{
			Slots: 4, SlotSize: 32, ArenaBytes: channel.NoArena, MaxParticipants: 4,
		})
		require.NoError(t, err)
		tx, rx := pair(t, ch)
		chs[i], txs[i] = ch, tx
		go func() {
			for {
				b, err := rx.RecvAppend(ctx, nil)
				if err != nil {
					ended <- err
					return
				}
				got <- string(b)
			}
		}()
	}
	for _, ch := range chs {
		awaitWaiting(t, ch, "data")
	}
	added := threads(t) - before
	t.Logf("%d idle receivers: %d threads more", many, added)
	require.LessOrEqual(t, added, 16)
	for i, tx := range txs {
		require.NoError(t, tx.Send(ctx, fmt.Append(nil, i)))
		require.Equal(t, fmt.Sprint(i), <-got, "the one that was sent to wakes")
	}
	cancel()
	for range many {
		err := <-ended
		require.ErrorIs(t, err, context.Canceled)
	}
	for _, ch := range chs {
		require.NoError(t, ch.Close())
	}
}
