//go:build linux

package manager_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
)

// Each test of this file has a Manager in each of three processes: the test is one of them.

// sourceProcess sends as many numbers as it is told into a channel.
var sourceProcess = channeltest.Func("source",
	func(ctx context.Context, c *channeltest.Child) error {
		return with(manager.Options{Retry: patient}, func(m *manager.Manager) error {
			last, err := strconv.ParseUint(c.Args[1], 10, 64)
			if err != nil {
				return err
			}
			if err := declare(m, c.Args[0]); err != nil {
				return err
			}
			if err := sendNumbers(ctx, m, c.Args[0], 1, last); err != nil {
				return err
			}
			c.Say("sent")
			change, err := announcement(ctx, m, c.Args[0])
			c.Say("announced: %s", change.Reason)
			return err
		})
	})

// stageProcess moves messages from one channel to another.
var stageProcess = channeltest.Func("stage",
	func(ctx context.Context, c *channeltest.Child) error {
		return with(manager.Options{}, func(m *manager.Manager) error {
			if err := link(ctx, m, c.Args[0], c.Args[1]); err != nil {
				return err
			}
			c.Say("linked")
			err := stage(ctx, m, c.Args[0], c.Args[1])
			c.Say("ended")
			return err
		})
	})

func TestScenarioNormalOperation(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir})
	const messages = 1000
	stage := stageProcess.Start(t, "requests", "answers")
	stage.Expect("linked")
	source := sourceProcess.Start(t, "requests", strconv.Itoa(messages))
	require.NoError(t, declare(m, "requests", "answers"))
	var got atomic.Uint64
	received := make(chan error, 1)
	go func() {
		received <- drainTo(ctx, m, "answers", func(msg channel.Message) error {
			if n := numberOf(msg); n != got.Add(1) {
				return fmt.Errorf("message %d is number %d", got.Load(), n)
			}
			return nil
		})
	}()
	source.Expect("sent")
	for _, name := range []string{"requests", "answers"} {
		healthOf(t, m, name, func(h manager.Health) bool { return h.Status == manager.Healthy })
	}
	metrics, err := m.Metrics(ctx, nil)
	require.NoError(t, err)
	require.Len(t, metrics.Channels, 2, "also the one that others opened")
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{Reason: "done"})
	require.NoError(t, err)
	require.NoError(t, <-received)
	source.Expect("announced: done")
	stage.Expect("ended")
	require.NoError(t, source.Wait())
	require.NoError(t, stage.Wait())
	assert.Equal(t, uint64(messages), got.Load())
	assert.Equal(t, []string{"requests", "answers"}, order(report),
		"the stage recorded it, and the test obeys")
	assert.Zero(t, report.Discarded+report.NotDelivered+report.Left)
	empty(t, dir)
}

// holdProcess receives one message, keeps it until it is told to go on, and takes the rest.
var holdProcess = channeltest.Func("hold",
	func(ctx context.Context, c *channeltest.Child) error {
		return with(manager.Options{}, func(m *manager.Manager) error {
			if err := declare(m, c.Args[0]); err != nil {
				return err
			}
			n := 0
			err := drainTo(ctx, m, c.Args[0], func(channel.Message) (err error) {
				if n++; n == 1 {
					c.Say("holding")
					_, err = c.Hear()
				}
				return err
			})
			c.Say("received %d", n)
			return err
		})
	})

// hurryProcess tries for a moment to send into a channel.
var hurryProcess = channeltest.Func("hurry",
	func(ctx context.Context, c *channeltest.Child) error {
		o := manager.Options{OpTimeout: 50 * time.Millisecond}
		return with(o, func(m *manager.Manager) error {
			if err := declare(m, c.Args[0]); err != nil {
				return err
			}
			err := sendNumbers(ctx, m, c.Args[0], 1, 1)
			if !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("no timeout: %w", err)
			}
			c.Say("%v", err)
			return nil
		})
	})

func TestScenarioTimeouts(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	var log syncBuffer
	ops := make(chan manager.Op, 100)
	m := newManager(t, manager.Options{
		Dir: dir, OpTimeout: 100 * time.Millisecond, SlowOp: 10 * time.Millisecond,
		Logger:      slog.New(slog.NewTextHandler(&log, nil)),
		OnOperation: func(op manager.Op) { ops <- op },
	})
	require.NoError(t, declare(m, "q"))
	c, err := m.Channel("q")
	require.NoError(t, err)
	patiently, cancel := context.WithTimeout(ctx, limit) // the segment is created first
	defer cancel()
	require.NoError(t, c.Send(patiently, number(1)))
	holder := holdProcess.Start(t, "q")
	holder.Expect("holding")
	holder.Stop()
	stuck := fmt.Sprintf("receiver pid %d (", holder.PID())
	sent := 1
	for err == nil {
		if err = c.Send(ctx, number(1)); err == nil {
			sent++
		}
	}
	require.ErrorIs(t, err, context.DeadlineExceeded, "the Manager gave it a deadline")
	require.ErrorContains(t, err, stuck)
	require.ErrorContains(t, err, "stopped")
	assert.Equal(t, 16, sent)
	var last manager.Op
	for range sent + 1 {
		last = <-ops
	}
	assert.Equal(t, manager.OpSend, last.Kind)
	assert.Equal(t, manager.TimedOut, last.Outcome)
	require.ErrorIs(t, last.Err, context.DeadlineExceeded)
	assert.Contains(t, log.String(), "slow operation")
	assert.Contains(t, log.String(), stuck)

	other := hurryProcess.Start(t, "q")
	line, ok := other.Hear()
	require.True(t, ok)
	assert.Contains(t, line, stuck, "every process is told who it is")
	require.NoError(t, other.Wait())

	drain := m.Drain(ctx, "q", nil)
	require.ErrorIs(t, drain, context.DeadlineExceeded)
	require.ErrorContains(t, drain, stuck)
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{Reason: "in vain"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, stuck)
	assert.Equal(t, uint64(sent), report.Left, "nothing was thrown away")
	require.Len(t, report.Ends, 1)
	assert.Contains(t, report.Ends[0].Report.Waited, stuck)
	h, err := m.Health(ctx, "q")
	require.NoError(t, err)
	require.Len(t, h.Stuck, 1)

	holder.Cont()
	holder.Say("go on")
	holder.Expect(fmt.Sprintf("received %d", sent))
	require.NoError(t, holder.Wait())
	_, err = m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
}
