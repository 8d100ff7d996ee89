//go:build linux

package manager_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
	"shmring/state"
)

func TestMetricsCountChannelsOperationsAndQueues(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	require.NoError(t, m.Declare("never-used", manager.Spec{}))
	require.NoError(t, m.Track("backlog", manager.QueueInfo{
		Depth:  func() (used, capacity uint64) { return 3, 10 },
		Counts: func() (in, out uint64) { return 7, 4 },
	}))
	for _, name := range []string{"b", "a"} {
		c, err := m.Create(ctx, name, channel.Options{})
		require.NoError(t, err)
		for range 10 {
			require.NoError(t, c.Send(ctx, []byte("five!")))
		}
		for range 10 {
			msg, err := c.Recv(ctx)
			require.NoError(t, err)
			msg.Release()
		}
	}
	got, err := m.Metrics(ctx, nil)
	require.NoError(t, err)
	require.Len(t, got.Channels, 2)
	a := got.Channels[0]
	assert.Equal(t, "a", a.Name)
	assert.Equal(t, state.Active, a.State)
	assert.Equal(t, uint64(10), a.Sent)
	assert.Equal(t, uint64(50), a.ReceivedBytes)
	assert.Equal(t, 1, a.Senders)
	assert.Positive(t, a.Mapped)
	assert.Zero(t, a.SendRate, "nothing to compare with yet")
	kinds := make(map[manager.OpKind]uint64)
	for kind, op := range a.Operations() {
		kinds[kind] = op.Ops
		assert.Equal(t, op.Ops, op.Latency.Count)
		assert.LessOrEqual(t, op.Latency.P50, op.Latency.Max)
	}
	want := map[manager.OpKind]uint64{manager.OpOpen: 1, manager.OpSend: 10, manager.OpRecv: 10}
	assert.Equal(t, want, kinds)
	assert.Equal(t, uint64(20), got.Total.Sent)
	assert.Equal(t, uint64(20), got.Total.Ops[manager.OpRecv].Messages)
	assert.Positive(t, got.CPU)
	queue := manager.QueueMetrics{Name: "backlog", Depth: 3, Capacity: 10, In: 7, Out: 4}
	assert.Equal(t, []manager.QueueMetrics{queue}, got.Queues)
	again, err := m.Metrics(ctx, got)
	require.NoError(t, err)
	assert.Same(t, got, again)
	assert.Len(t, again.Channels, 2)
}

func TestFunctionsOfATrackedQueueMayUseTheManager(t *testing.T) {
	m := newManager(t, manager.Options{})
	depth := func() (used, capacity uint64) { return uint64(len(m.Channels())), 1 }
	require.NoError(t, m.Track("backlog", manager.QueueInfo{Depth: depth}))
	got, err := m.Metrics(t.Context(), nil)
	require.NoError(t, err)
	assert.Len(t, got.Queues, 1)
	require.NoError(t, m.Track("broken", manager.QueueInfo{
		Depth: func() (used, capacity uint64) { panic("broken") },
	}))
	assert.Panics(t, func() { _, _ = m.Metrics(t.Context(), nil) })
	m.Untrack("broken")
	_, err = m.Metrics(t.Context(), nil)
	require.NoError(t, err, "nothing was kept")
}

func TestDrainTellsRateAndRest(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	const messages = 100
	for range messages {
		require.NoError(t, c.Send(ctx, []byte("12345678")))
	}
	received := make(chan error, 1)
	go func() {
		for {
			msg, err := c.Recv(ctx)
			if err != nil {
				received <- err
				return
			}
			msg.Release()
		}
	}()
	var last manager.Progress
	require.NoError(t, m.Drain(ctx, "q", func(p manager.Progress) { last = p }))
	assert.Zero(t, last.Left)
	assert.LessOrEqual(t, last.Bytes, uint64(8*messages))
	require.Equal(t, io.EOF, <-received)
	require.Error(t, m.Drain(ctx, "nothing", nil))
}

func TestExtractTakesWhatNobodyReceives(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{Retry: func() manager.Backoff {
		return &manager.Exponential{Attempts: 1}
	}})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	for i := range 5 {
		require.NoError(t, c.Send(ctx, fmt.Append(nil, i)))
	}
	require.ErrorIs(t, m.Drain(ctx, "q", nil), channel.ErrPeerDead)
	enough := errors.New("enough")
	var got string
	n, err := m.Extract(ctx, "q", func(p []byte) error {
		if got += string(p); len(got) == 2 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	assert.Equal(t, uint64(2), n)
	n, err = m.Extract(ctx, "q", func(p []byte) error { got += string(p); return nil })
	require.NoError(t, err)
	assert.Equal(t, uint64(3), n)
	assert.Equal(t, "01234", got)
}

func TestExtractRobsNoLivingReceiver(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{Retry: func() manager.Backoff {
		return &manager.Exponential{Attempts: 2}
	}})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	_, err = c.Receiver(ctx)
	require.NoError(t, err)
	_, err = m.Extract(ctx, "q", func([]byte) error { return nil })
	require.ErrorIs(t, err, channel.ErrBusy)
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	assert.Equal(t, state.Active, raw.State(), "nothing was begun")
}

func TestAsyncSendsArriveInOrderBeforeTheEnd(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	c, err := m.Create(ctx, "q", channel.Options{Slots: 8})
	require.NoError(t, err)
	const messages = 500
	var done []*manager.Completion
	for i := range messages {
		out, err := c.SendAsync(fmt.Append(nil, i))
		require.NoError(t, err)
		done = append(done, out)
	}
	received := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			msg, err := c.Recv(ctx)
			if err == nil && string(msg.Bytes()) != fmt.Sprint(i) {
				err = fmt.Errorf("message %d is %q", i, msg.Bytes())
			}
			if err != nil {
				received <- err
				return
			}
			msg.Release()
		}
	}()
	_, err = m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	for _, out := range done {
		select {
		case <-out.Done():
			require.NoError(t, out.Wait(ctx))
		default:
			require.Fail(t, "a shutdown waits for what is on its way")
		}
	}
	require.Equal(t, io.EOF, <-received)
	late, err := c.SendAsync(nil)
	require.NoError(t, err)
	require.ErrorIs(t, late.Wait(ctx), channel.ErrClosed)
}

func TestAsyncSendsAreBoundedAndGivenUpAtClose(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	c, err := m.Create(ctx, "q", channel.Options{Slots: 1})
	require.NoError(t, err)
	var last *manager.Completion
	for {
		out, err := c.SendAsync([]byte("x"))
		if err != nil {
			require.ErrorIs(t, err, channel.ErrFull)
			break
		}
		last = out
	}
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	for raw.Stats().Depth == 0 { // the first goes through
		time.Sleep(time.Millisecond)
	}
	msg, err := c.Recv(ctx)
	require.NoError(t, err)
	rx, err := c.Receiver(ctx)
	require.NoError(t, err)
	msg.Release()
	require.NoError(t, m.Forget("q"))
	require.ErrorIs(t, last.Wait(ctx), channel.ErrClosed)
	_, err = c.SendAsync(nil)
	require.ErrorIs(t, err, channel.ErrClosed)
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrClosed)
	var o channel.RemoveOptions
	o.Dir, o.Unread = channeltest.Dir(t), true
	if err := channel.Remove(ctx, "q", o); err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist, "nothing was left in it")
	}
}
