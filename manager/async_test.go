//go:build linux

package manager_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/manager"
	"shmring/state"
)

func TestFlushWaitsForWhatWasGivenBeforeAndNotForMore(t *testing.T) {
	ctx := t.Context()
	var c *manager.Channel
	var enough atomic.Bool
	o := manager.Options{OnOperation: func(op manager.Op) {
		if op.Kind == manager.OpSend && !enough.Load() {
			_, err := c.SendAsync(nil) // so something is always on its way
			assert.NoError(t, err)
		}
	}}
	m := newManager(t, o)
	var err error
	c, err = m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			msg, err := c.Recv(ctx)
			if err != nil {
				assert.Equal(t, io.EOF, err)
				return
			}
			msg.Release()
		}
	}()
	first, err := c.SendAsync([]byte("first"))
	require.NoError(t, err)
	require.NoError(t, c.Flush(ctx))
	require.NoError(t, first.Wait(ctx))
	enough.Store(true)
	_, err = m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	<-done
}

func TestForceEndsAChannelThatMessagesAreOnTheirWayTo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	m := newManager(t, manager.Options{})
	c, err := m.Create(ctx, "q", channel.Options{Slots: 1})
	require.NoError(t, err)
	var last *manager.Completion
	for range 3 {
		last, err = c.SendAsync(nil)
		require.NoError(t, err)
	}
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
	assert.Equal(t, state.Closed, report.Ends[0].Report.State)
	assert.Equal(t, uint64(1), report.Discarded)
	require.ErrorIs(t, last.Wait(t.Context()), channel.ErrClosed)
}
