//go:build linux

package manager

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/shmtest"
)

// waiting returns a Manager one of whose channels, "q", is being opened in vain, by a call
// that is over when fail is called.
func waiting(t *testing.T) (m *Manager, c *Channel, fail func()) {
	t.Helper()
	shmtest.Watchdog(t, time.Minute)
	m, err := New(Options{Dir: channeltest.Dir(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := m.Open(ctx, "q", channel.OpenOptions{Wait: true})
		failed <- err
	}()
	for c == nil || len(c.opening) == 0 {
		runtime.Gosched()
		c, _ = m.Channel("q")
	}
	return m, c, func() {
		cancel()
		assert.ErrorIs(t, <-failed, context.Canceled)
	}
}

func TestUserOfAChannelThatCouldNotBeOpenedIsToldWhy(t *testing.T) {
	_, c, fail := waiting(t)
	fail()
	_, async := c.SendAsync(nil)
	_, raw := c.Raw(t.Context())
	for _, err := range []error{async, raw, c.Send(t.Context(), nil)} {
		require.ErrorIs(t, err, channel.ErrClosed)
		require.ErrorContains(t, err, "it could not be opened")
		require.ErrorContains(t, err, "canceled")
	}
}

// Who gets the turn before the other call has failed for good opens the channel for both.
func TestSendThatWaitsForAnOpeningThatFailsIsSentOrToldWhy(t *testing.T) {
	m, c, fail := waiting(t)
	sent := make(chan error, 1)
	go func() { sent <- c.Send(t.Context(), nil) }()
	fail()
	if err := <-sent; err != nil {
		require.ErrorContains(t, err, "it could not be opened")
		_, err = m.Channel("q")
		require.Error(t, err)
		return
	}
	same, err := m.Channel("q")
	require.NoError(t, err)
	require.Same(t, c, same)
	msg, err := c.Recv(t.Context())
	require.NoError(t, err)
	msg.Release()
}

func TestCallThatWaitsForAnOpeningThatFailsOpensByItself(t *testing.T) {
	m, _, fail := waiting(t)
	opened := make(chan error, 1)
	before := m.lastOp.Load()
	go func() {
		_, err := m.OpenOrCreate(t.Context(), "q", channel.Options{})
		opened <- err
	}()
	for m.lastOp.Load() == before {
		runtime.Gosched()
	}
	fail()
	require.NoError(t, <-opened)
	c, err := m.Channel("q")
	require.NoError(t, err)
	_, err = c.Raw(t.Context())
	require.NoError(t, err)
}
