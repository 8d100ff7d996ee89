//go:build linux

package manager_test

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/layout"
	"shmring/manager"
	"shmring/shm"
	"shmring/state"
)

// spoil makes a channel one that no Recover can repair: its head is far before its tail.
func spoil(t *testing.T, ch *channel.Channel) {
	t.Helper()
	const head = layout.ControlOff + 256 // docs/LAYOUT.md: Control, Head.V
	word := binary.LittleEndian.AppendUint64(nil, 1<<60)
	require.NoError(t, writeAt(ch.Path(), word, head))
	require.ErrorIs(t, ch.Drain(t.Context(), nil), channel.ErrCorrupt)
	require.Equal(t, state.Error, ch.State())
}

// tries is a policy of recovery that ends after a number of attempts.
func tries(n int) func() manager.Backoff {
	return func() manager.Backoff {
		return &manager.Exponential{First: time.Nanosecond, Attempts: n}
	}
}

// looks tells of looks of a monitor, to those who wait for one.
func looks(t *testing.T, m *manager.Manager) <-chan struct{} {
	t.Helper()
	look := make(chan struct{})
	require.NoError(t, m.Track("looks", manager.QueueInfo{Depth: func() (used, capacity uint64) {
		select {
		case look <- struct{}{}:
		default:
		}
		return 0, 0
	}}))
	return look
}

func TestChannelThatCannotBeRecoveredIsEscalatedOnce(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	told := make(chan manager.Escalation, 100)
	var log syncBuffer
	m := newManager(t, manager.Options{
		Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Escalate: func(e manager.Escalation) channel.Policy {
			told <- e
			return channel.Leave
		},
	})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	require.NoError(t, c.Send(ctx, []byte("kept")))
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	spoil(t, raw)
	look := looks(t, m)
	stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{Recover: tries(3)})
	require.NoError(t, err)
	e := <-told
	for range 3 { // at a channel that was given up
		<-look
	}
	stop()
	assert.Equal(t, "q", e.Channel)
	assert.Equal(t, manager.RecoveryGivenUp, e.Cause)
	assert.Equal(t, state.Error, e.State)
	assert.Equal(t, 3, e.Attempts)
	require.ErrorIs(t, e.Err, channel.ErrCorrupt)
	assert.Empty(t, told)
	assert.Contains(t, log.String(), "recovery given up")
	assert.Equal(t, state.Error, raw.State(), "left as it is")
	o := channel.ShutdownOptions{AtDeadline: channel.Force}
	_, err = raw.Shutdown(ctx, o)
	require.NoError(t, err, "and may be ended later")
}

func TestEscalationByForceTellsEveryPeer(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{
		Dir: dir, Escalate: func(manager.Escalation) channel.Policy { return channel.Force },
	})
	peer := newManager(t, manager.Options{Dir: dir})
	require.NoError(t, link(ctx, m, "before", "q"))
	require.NoError(t, declare(peer, "q"))
	theirs, err := peer.Channel("q")
	require.NoError(t, err)
	_, err = theirs.Sender(ctx)
	require.NoError(t, err)
	ch, err := theirs.Raw(ctx)
	require.NoError(t, err)
	spoil(t, ch)
	_, err = m.StartMonitor(time.Millisecond, manager.MonitorOptions{Recover: tries(2)})
	require.NoError(t, err)
	for change, err := range ch.Watch(ctx) {
		require.NoError(t, err)
		if change.State == state.Closed {
			break
		}
	}
	assert.Contains(t, ch.Reason(), "recovery given up")
	require.ErrorIs(t, theirs.Send(ctx, nil), channel.ErrClosed)
	before, err := m.Channel("before")
	require.NoError(t, err)
	require.NoError(t, before.Send(ctx, nil), "what depends on it goes on")
	got, err := before.Recv(ctx)
	require.NoError(t, err)
	got.Release()
}

func TestRecoveryThatDoesNotLastIsGivenUpToo(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	told := make(chan manager.Escalation, 1)
	m := newManager(t, manager.Options{
		Dir: dir,
		Escalate: func(e manager.Escalation) channel.Policy {
			told <- e
			return channel.Force
		},
	})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	const poison = layout.ControlOff + 896 // docs/LAYOUT.md: Control, Poison.Code
	again := func() {
		code := []byte{byte(layout.PoisonCommit)}
		err := errors.Join(writeAt(raw.Path(), code, poison), raw.Seal("meets the damage"))
		assert.ErrorIs(t, err, channel.ErrCorrupt)
	}
	again()
	_, err = m.StartMonitor(time.Millisecond, manager.MonitorOptions{
		Recover: func() manager.Backoff {
			made := 0
			return backoffFunc(func() time.Duration { // asked after each attempt
				assert.Equal(t, state.Active, raw.State())
				again()
				if made++; made == 3 {
					return manager.Stop
				}
				return 0
			})
		},
	})
	require.NoError(t, err)
	e := <-told
	assert.Equal(t, 3, e.Attempts)
	require.Error(t, e.Err)
}

func TestMonitorLeavesTheRecoveryOfWhatItOnlyLooksAtToOthers(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	owner := newManager(t, manager.Options{Dir: dir})
	c, err := owner.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	spoil(t, raw)
	var log syncBuffer
	looker := newManager(t, manager.Options{
		Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	spec := manager.Spec{}
	spec.ReadOnly = true
	require.NoError(t, looker.Declare("q", spec))
	look := looks(t, looker)
	stop, err := looker.StartMonitor(time.Millisecond, manager.MonitorOptions{Recover: tries(1)})
	require.NoError(t, err)
	for range 3 {
		<-look
	}
	stop()
	assert.Contains(t, log.String(), "unhealthy")
	assert.NotContains(t, log.String(), "recovery")
	_, err = raw.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
}

func TestMonitorForgetsWhatIsForgotten(t *testing.T) {
	m := newManager(t, manager.Options{})
	look := looks(t, m)
	broken := manager.QueueInfo{
		Depth: func() (used, capacity uint64) { return 0, 0 },
		Check: func() error { return errors.New("no connection") },
	}
	told := make(chan manager.Health)
	stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{
		OnHealth: func(h manager.Health) { told <- h },
	})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, m.Track("broken", broken))
		assert.Equal(t, manager.Unhealthy, (<-told).Status, "of both that had the name")
		m.Untrack("broken")
		<-look
		<-look // which began without it
	}
	stop()
}

// TestRollbackThatFailsIsEscalated takes the control lock while a shutdown drains, so that
// nothing can be taken back at its deadline.
func TestRollbackThatFailsIsEscalated(t *testing.T) {
	t.Run("left", func(t *testing.T) {
		q, _, err := failRollback(t, channel.Leave)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, channel.ErrBusy)
		got, err := q.Recv(t.Context())
		require.NoError(t, err)
		got.Release()
		raw, err := q.Raw(t.Context())
		require.NoError(t, err)
		assert.Equal(t, state.Draining, raw.State())
	})
	t.Run("forced", func(t *testing.T) {
		q, report, err := failRollback(t, channel.Force)
		require.NoError(t, err)
		raw, err := q.Raw(t.Context())
		require.NoError(t, err)
		assert.Equal(t, state.Closed, raw.State())
		assert.Equal(t, uint64(1), report.Discarded+report.NotDelivered)
	})
}

func failRollback(
	t *testing.T, policy channel.Policy,
) (q *manager.Channel, r manager.Report, err error) {
	t.Helper()
	dir := channeltest.Dir(t)
	var release func()
	told := 0
	m := newManager(t, manager.Options{
		Dir: dir,
		Escalate: func(e manager.Escalation) channel.Policy {
			told++
			assert.Equal(t, manager.RollbackFailed, e.Cause)
			assert.Equal(t, state.Draining, e.State)
			release()
			return policy
		},
	})
	chain(t, m, "q")
	q, err = m.Channel("q")
	require.NoError(t, err)
	require.NoError(t, q.Send(t.Context(), []byte("kept")))
	_, err = q.Receiver(t.Context()) // which takes nothing
	require.NoError(t, err)
	seg, err := shm.Open(t.Context(), shm.OpenOptions{Dir: dir, Name: "q"})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r, err = m.Shutdown(ctx, manager.ShutdownOptions{
		AtDeadline: channel.Rollback,
		Progress: func(string, channel.Progress) {
			if release == nil {
				var lockErr error
				release, lockErr = seg.Control(t.Context(), "be stopped")
				assert.NoError(t, lockErr)
			}
		},
	})
	assert.Equal(t, 1, told)
	require.NoError(t, seg.Close())
	return q, r, err
}
