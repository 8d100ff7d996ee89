//go:build linux

package manager_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
	"shmring/shm"
	"shmring/state"
)

// Somebody who is stopped may hold a control lock for long.
func TestControlLockOfOneChannelKeepsNoOtherFromItsEnd(t *testing.T) {
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{Dir: dir, Retry: func() manager.Backoff {
		return &manager.Exponential{Attempts: 1}
	}})
	chain(t, m, "stuck")
	chain(t, m, "in", "out")
	seg, err := shm.Open(t.Context(), shm.OpenOptions{Dir: dir, Name: "stuck"})
	require.NoError(t, err)
	release, err := seg.Control(t.Context(), "be stopped")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	require.ErrorIs(t, err, channel.ErrBusy)
	ends := endsOf(report)
	require.NoError(t, ends["in"])
	require.NoError(t, ends["out"])
	require.ErrorIs(t, ends["stuck"], channel.ErrBusy)
	release()
	require.NoError(t, seg.Close())
	_, err = m.Shutdown(t.Context(), manager.ShutdownOptions{})
	require.NoError(t, err)
}

func TestRollbackOfAShutdownWithdrawsItsAnnouncement(t *testing.T) {
	m := newManager(t, manager.Options{})
	chain(t, m, "in", "out")
	in, err := m.Channel("in")
	require.NoError(t, err)
	require.NoError(t, in.Send(t.Context(), nil))
	_, err = in.Receiver(t.Context()) // which takes nothing
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = m.Shutdown(ctx, manager.ShutdownOptions{AtDeadline: channel.Rollback})
	require.Error(t, err)
	for _, name := range []string{"in", "out"} {
		c, err := m.Channel(name)
		require.NoError(t, err)
		ch, err := c.Raw(t.Context())
		require.NoError(t, err)
		assert.Equal(t, state.Active, ch.State(), name)
		_, announced := ch.Plan()
		assert.False(t, announced, name)
	}
	msg, err := in.Recv(t.Context())
	require.NoError(t, err)
	msg.Release()
}

func TestDependencyWaitsNoLongerThanAnyOtherCall(t *testing.T) {
	ctx := context.Background()
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{Dir: dir, OpTimeout: 50 * time.Millisecond})
	require.NoError(t, declare(m, "in", "out"))
	in, err := m.Channel("in")
	require.NoError(t, err)
	_, err = in.Raw(ctx)
	require.NoError(t, err)
	seg, err := shm.Open(ctx, shm.OpenOptions{Dir: dir, Name: "in"})
	require.NoError(t, err)
	release, err := seg.Control(ctx, "be stopped")
	require.NoError(t, err)
	require.ErrorIs(t, m.DependsOn(ctx, "in", "out"), channel.ErrBusy)
	release()
	require.NoError(t, seg.Close())
}
