//go:build linux

package manager_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/layout"
	"shmring/manager"
	"shmring/state"
)

// healthOf returns what is said of a channel until it is what a test waits for.
func healthOf(
	t *testing.T, m *manager.Manager, name string, enough func(manager.Health) bool,
) manager.Health {
	t.Helper()
	for {
		h, err := m.Health(t.Context(), name)
		require.NoError(t, err)
		if enough(h) {
			return h
		}
		time.Sleep(time.Millisecond)
	}
}

func says(h manager.Health, text string) bool {
	return strings.Contains(strings.Join(h.Reasons, "\n"), text)
}

func TestHealthIsExplained(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	require.NoError(t, m.Declare("later", manager.Spec{}))
	c, err := m.Create(ctx, "q", channel.Options{Slots: 2})
	require.NoError(t, err)
	all, err := m.HealthAll(ctx)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, h := range all {
		assert.Equal(t, manager.Healthy, h.Status, "%v", h.Reasons)
		assert.Empty(t, h.Reasons)
	}
	require.NoError(t, c.Send(ctx, nil))
	require.NoError(t, c.Send(ctx, nil))
	h, err := m.Health(ctx, "q")
	require.NoError(t, err)
	assert.Equal(t, manager.Degraded, h.Status)
	assert.True(t, says(h, "no receiver, 2 slots are in use"), "%v", h.Reasons)
	assert.True(t, says(h, "2 of 2 slots are in use"), "%v", h.Reasons)
	for range 2 {
		msg, err := c.Recv(ctx)
		require.NoError(t, err)
		msg.Release()
	}
	h, err = m.Health(ctx, "q")
	require.NoError(t, err)
	assert.Equal(t, manager.Healthy, h.Status, "%v", h.Reasons)
	_, err = m.Health(ctx, "nothing")
	require.Error(t, err)
}

func TestHealthNamesTheStoppedAndTheDead(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	p := receiveOne.Start(t, "q")
	p.Expect("receiver")
	require.NoError(t, c.Send(ctx, []byte("held")))
	p.Expect("received <nil>")
	p.Stop()
	h := healthOf(t, m, "q", func(h manager.Health) bool { return h.Status == manager.Unhealthy })
	require.Len(t, h.Stuck, 1)
	assert.True(t, says(h, "is stopped"), "%v", h.Reasons)
	p.Cont()
	p.Kill()
	h = healthOf(t, m, "q", func(h manager.Health) bool {
		return len(h.Dead) > 0 && h.Receivers == 0
	})
	assert.Equal(t, manager.Degraded, h.Status)
	msg, err := c.Recv(ctx)
	require.NoError(t, err)
	assert.True(t, msg.Redelivered())
	msg.Release()
	healthOf(t, m, "q", func(h manager.Health) bool { return h.Status == manager.Healthy })
	rx, err := c.Receiver(ctx)
	require.NoError(t, err)
	require.NoError(t, rx.Close())
	h, err = m.Health(ctx, "q")
	require.NoError(t, err)
	assert.Equal(t, manager.Healthy, h.Status, "the successor left: %v", h.Reasons)
}

func TestTrackedQueueIsJudgedToo(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	queue := make(chan int, 10)
	var broken error
	require.NoError(t, m.Track("backlog", manager.QueueInfo{
		Depth: func() (used, capacity uint64) { return uint64(len(queue)), uint64(cap(queue)) },
		Check: func() error { return broken },
	}))
	require.Error(t, m.Track("backlog", manager.QueueInfo{}))
	h, err := m.Health(ctx, "backlog")
	require.NoError(t, err)
	assert.Equal(t, manager.Healthy, h.Status)
	for range cap(queue) {
		queue <- 1
	}
	h, err = m.Health(ctx, "backlog")
	require.NoError(t, err)
	assert.Equal(t, manager.Degraded, h.Status)
	broken = errors.New("no connection")
	h, err = m.Health(ctx, "backlog")
	require.NoError(t, err)
	assert.Equal(t, manager.Unhealthy, h.Status)
	assert.Contains(t, h.Reasons[0], "no connection", "the worst first")
	m.Untrack("backlog")
	_, err = m.Health(ctx, "backlog")
	require.Error(t, err)
}

// damage writes a state of the poisoned into a segment: what a foreign program might do.
func damage(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // the write was checked
	g, err := channel.List(os.Getenv("SHMRING_DIR"))
	require.NoError(t, err)
	require.NotEmpty(t, g)
	_, err = f.WriteAt(bytes.Repeat([]byte{0x55}, 8), int64(g[0].Geometry.SlotsOff))
	require.NoError(t, err)
}

func TestMonitorRecoversAndTellsOfChanges(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	var log syncBuffer
	m := newManager(t, manager.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Send(ctx, []byte("damaged")))
	require.NoError(t, c.Send(ctx, []byte("whole")))
	damage(t, raw.Path())
	rx, err := raw.Receiver(ctx)
	require.NoError(t, err)
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.NoError(t, rx.Close())
	require.Equal(t, state.Error, raw.State())
	seen := make(chan manager.Health, 100)
	stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{
		Recover:  func() manager.Backoff { return &manager.Exponential{} },
		OnHealth: func(h manager.Health) { seen <- h },
	})
	require.NoError(t, err)
	_, err = m.StartMonitor(time.Second, manager.MonitorOptions{})
	require.Error(t, err)
	assert.Equal(t, manager.Unhealthy, (<-seen).Status)
	better := <-seen
	assert.Equal(t, state.Active, better.State)
	assert.Equal(t, manager.Degraded, better.Status)
	assert.True(t, says(better, "impossible words were found"), "%v", better.Reasons)
	stop()
	stop()
	assert.Contains(t, log.String(), "unhealthy")
	msg, err := c.Recv(ctx)
	require.NoError(t, err)
	assert.Equal(t, "whole", string(msg.Bytes()))
	msg.Release()
	_, err = m.StartMonitor(time.Hour, manager.MonitorOptions{})
	require.NoError(t, err, "Close ends it")
}

func TestMonitorGivesUpByItsPolicy(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir, Retry: func() manager.Backoff {
		return &manager.Exponential{Attempts: 1}
	}})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	p := receiveOne.Start(t, "q")
	p.Expect("receiver")
	p.Signal(syscall.SIGSTOP) // it holds the role: nobody else may mend slots
	require.NoError(t, c.Send(ctx, nil))
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	mem, err := os.OpenFile(raw.Path(), os.O_RDWR, 0)
	require.NoError(t, err)
	const poison = layout.ControlOff + 896 // docs/LAYOUT.md: Control, Poison.Code
	_, err = mem.WriteAt([]byte{byte(layout.PoisonCommit)}, poison)
	require.NoError(t, err)
	require.NoError(t, mem.Close())
	require.Error(t, raw.Seal("meets the damage"))
	require.Equal(t, state.Error, raw.State())
	var tries atomic.Int32
	given := make(chan struct{})
	stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{
		Recover: func() manager.Backoff {
			return backoffFunc(func() time.Duration {
				if tries.Add(1) == 3 {
					close(given)
					return manager.Stop
				}
				return 0
			})
		},
	})
	require.NoError(t, err)
	<-given
	stop()
	assert.Equal(t, int32(3), tries.Load())
	p.Kill()
	_, err = m.Recover(ctx, "q")
	require.NoError(t, err)
	require.Equal(t, state.Active, raw.State())
	msg, err := c.Recv(ctx)
	require.NoError(t, err)
	msg.Release()
}
