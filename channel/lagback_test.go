//go:build linux

package channel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// Theorem: a receiver that looks ahead never looks where memory was given back: a load takes
// the page again, or is a SIGBUS where there is none left.
func TestReceiverInARunOfMessagesDoesNotLookWhereMemoryWasGivenBack(t *testing.T) {
	waiting := channel.OpenOptions{Spin: time.Millisecond} // where more than one processor is
	for _, left := range []int{1, 20, 40, 70} {            // messages when memory was given back
		ctx := begin(t)
		// A page for each slot, and no stamps, which have a way of their own.
		ch := newChannel(t, channel.Options{Slots: 256, SlotSize: 4096, OpenOptions: waiting})
		tx, rx := pair(t, ch)
		take := func(n int) {
			for range n {
				m, err := rx.Recv(ctx)
				require.NoError(t, err)
				m.Release()
			}
		}
		for range 100 {
			require.NoError(t, tx.Send(ctx, []byte("m")))
		}
		take(100 - left)
		dctx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- ch.Drain(dctx, nil) }()
		awaitGivenBack(t, ch, 256<<10)
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
		given := givenBack(t, ch)
		take(left)
		require.Equal(t, given, givenBack(t, ch), "nobody touches what was given back")
		require.NoError(t, ch.Close())
	}
}
