//go:build linux

package manager_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
	"shmring/shm"
)

func TestHealthNamesWhoHoldsOthersUpAndForHowLong(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	o := channel.Options{Slots: 2}
	o.StallAfter = time.Millisecond
	c, err := m.Create(ctx, "q", o)
	require.NoError(t, err)
	tx, err := c.Sender(ctx)
	require.NoError(t, err)
	lease, err := tx.Reserve(ctx, 1)
	require.NoError(t, err)
	h := healthOf(t, m, "q", func(h manager.Health) bool { return len(h.Stuck) > 0 })
	assert.Equal(t, manager.Unhealthy, h.Status)
	assert.Contains(t, h.Stuck[0], fmt.Sprintf("pid %d", os.Getpid()))
	assert.Regexp(t, `^sender .*reserved 1 slots and has not committed them, `+
		`last progress \S+ ago$`, h.Reasons[0])
	require.NoError(t, lease.Commit(1))

	require.NoError(t, c.Send(ctx, nil))
	sent := make(chan error, 1)
	go func() { sent <- c.Send(ctx, nil) }()
	h = healthOf(t, m, "q", func(h manager.Health) bool { return says(h, "waited for room") })
	assert.Positive(t, h.FullFor)

	rx, err := c.Receiver(ctx)
	require.NoError(t, err)
	msg, err := rx.Recv(ctx)
	require.NoError(t, err)
	h = healthOf(t, m, "q", func(h manager.Health) bool { return h.OldestWait > 0 })
	assert.Equal(t, manager.Unhealthy, h.Status)
	assert.Regexp(t, `^receiver .*, last progress \S+ ago, 2 slots wait$`,
		h.Reasons[0])
	msg.Release()
	for range 2 {
		msg, err = rx.Recv(ctx)
		require.NoError(t, err)
		msg.Release()
	}
	require.NoError(t, <-sent)
	healthOf(t, m, "q", func(h manager.Health) bool { return h.Status == manager.Healthy })
}

func TestHealthTellsOfAnEndThatIsOverdueAndOfAFullArena(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	c, err := m.Create(ctx, "q", channel.Options{Slots: 64, ArenaBytes: 4096})
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, c.Send(ctx, make([]byte, 1300)))
	}
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	require.NoError(t, raw.Announce(ctx, "deploy 42", time.Now().Add(-time.Minute)))
	h, err := m.Health(ctx, "q")
	require.NoError(t, err)
	assert.True(t, says(h, "of 4096 arena bytes are in use"), "%v", h.Reasons)
	assert.False(t, says(h, "announced"), "nobody has begun it: %v", h.Reasons)
	require.NoError(t, raw.Seal("deploy 42"))
	h, err = m.Health(ctx, "q")
	require.NoError(t, err)
	assert.Regexp(t, fmt.Sprintf(`its end was announced by pid %d \(.*\) for 1m0s ago `+
		`\(deploy 42\) and is not done`, os.Getpid()), strings.Join(h.Reasons, "\n"))
	_, err = raw.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
}

// A queue that is broken all the time, and one that breaks and recovers again and again.
func TestMonitorTellsOfChangesOnly(t *testing.T) {
	var log syncBuffer
	m := newManager(t, manager.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	var bad atomic.Bool
	for name, broken := range map[string]func() bool{
		"always": func() bool { return true }, "sometimes": bad.Load,
	} {
		require.NoError(t, m.Track(name, manager.QueueInfo{
			Depth: func() (used, capacity uint64) { return 0, 0 },
			Check: func() error {
				if broken() {
					return os.ErrInvalid
				}
				return nil
			},
		}))
	}
	look := looks(t, m)
	told := make(chan manager.Health, 100)
	stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{
		OnHealth: func(h manager.Health) { told <- h },
	})
	require.NoError(t, err)
	assert.Equal(t, "always", (<-told).Name)
	for _, want := range []manager.Status{
		manager.Unhealthy, manager.Healthy, manager.Unhealthy, manager.Healthy,
	} {
		bad.Store(want == manager.Unhealthy)
		h := <-told
		assert.Equal(t, "sometimes", h.Name)
		assert.Equal(t, want, h.Status)
		for range 3 {
			<-look
		}
		assert.Empty(t, told)
	}
	stop()
	assert.Equal(t, 3, strings.Count(log.String(), "level=WARN"))
	assert.Equal(t, 2, strings.Count(log.String(), "level=INFO"))
}

func TestMonitorLooksOnBesideAControlLockThatSomebodyKeeps(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{Dir: dir, OpTimeout: -1})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	spoil(t, raw)
	seg, err := shm.Open(ctx, shm.OpenOptions{Dir: dir, Name: "q"})
	require.NoError(t, err)
	release, err := seg.Control(ctx, "be stopped")
	require.NoError(t, err)
	look := looks(t, m)
	stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{Recover: tries(100)})
	require.NoError(t, err)
	for range 3 {
		<-look
	}
	stop()
	release()
	require.NoError(t, seg.Close())
	_, err = raw.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
}
