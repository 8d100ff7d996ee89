//go:build linux

package channel_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
)

// TestMemoryThatComesBackWhileACallFallsAsleep cuts a file off and lengthens it again all the
// time. A call that falls asleep may meet a fault first and none when it ends.
func TestMemoryThatComesBackWhileACallFallsAsleep(t *testing.T) {
	bearable(t, "truncate")
	ctx := begin(t)
	ch, err := channel.Create(ctx, "q", channel.Options{
		Slots: 2, OpenOptions: channel.OpenOptions{Guard: true, Spin: -1},
	})
	require.NoError(t, err)
	tx, rx := pair(t, ch)
	info, err := os.Stat(ch.Path())
	require.NoError(t, err)
	f, err := os.OpenFile(ch.Path(), os.O_RDWR, 0)
	require.NoError(t, err)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = f.Truncate(3 * layout.PageSize)
			_ = f.Truncate(info.Size())
		}
	}()
	for range 2000 {
		call, cancel := context.WithTimeout(ctx, 100*time.Microsecond)
		_, _ = rx.Recv(call)
		_ = tx.Send(call, nil)
		_, _ = channel.Wait(call, rx, tx)
		cancel()
	}
	close(stop)
	<-done
	require.NoError(t, f.Close())
	path := ch.Path()
	_ = ch.Close()      // that its memory is gone is what was done
	_ = os.Remove(path) // if it did not go with the close
}
