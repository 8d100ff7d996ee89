//go:build linux

package manager_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
	"shmring/state"
)

// well waits until a channel is repaired. It may go on at once: who only waits for ACTIVE
// may see DRAINING next.
func well(ctx context.Context, m *manager.Manager, name string) error {
	c, err := m.Channel(name)
	if err != nil {
		return err
	}
	raw, err := c.Raw(ctx)
	if err != nil {
		return err
	}
	for change, err := range raw.Watch(ctx) {
		if err != nil {
			return err
		}
		bad := change.State == state.Error || change.State == state.Recovering
		if change.Kind == channel.StateChanged && !bad {
			return nil
		}
	}
	return errors.New("it ended")
}

// broken reports whether an error says that a channel waits for somebody to recover it.
func broken(err error) bool {
	return errors.Is(err, channel.ErrCorrupt) || errors.Is(err, channel.ErrState)
}

// repairProcess receives; when that meets damage it starts a monitor, once it is told to.
var repairProcess = channeltest.Func("repair",
	func(ctx context.Context, c *channeltest.Child) error {
		return with(manager.Options{}, func(m *manager.Manager) error {
			if err := declare(m, "q"); err != nil {
				return err
			}
			var got []uint64
			receive := func() error {
				return drainTo(ctx, m, "q", func(msg channel.Message) error {
					got = append(got, numberOf(msg))
					return nil
				})
			}
			if err := receive(); !broken(err) {
				return fmt.Errorf("there is no damage: %w", err)
			}
			c.Say("met damage")
			if _, err := c.Hear(); err != nil {
				return err
			}
			stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{Recover: patient})
			if err != nil {
				return err
			}
			defer stop()
			if err := well(ctx, m, "q"); err != nil {
				return err
			}
			err = receive()
			c.Say("received %v", got)
			return err
		})
	})

// waitProcess is refused, waits until the channel is well again, and sends then.
var waitProcess = channeltest.Func("wait for a recovery",
	func(ctx context.Context, c *channeltest.Child) error {
		return with(manager.Options{}, func(m *manager.Manager) error {
			if err := declare(m, "q"); err != nil {
				return err
			}
			if err := sendNumbers(ctx, m, "q", 4, 4); !broken(err) {
				return fmt.Errorf("it was not refused: %w", err)
			}
			c.Say("refused")
			if err := well(ctx, m, "q"); err != nil {
				return err
			}
			err := sendNumbers(ctx, m, "q", 4, 4)
			c.Say("sent")
			return err
		})
	})

func TestScenarioDamageIsRecoveredByOneWhileOthersWait(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir})
	require.NoError(t, declare(m, "q"))
	require.NoError(t, sendNumbers(ctx, m, "q", 1, 3))
	c, err := m.Channel("q")
	require.NoError(t, err)
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	entries, err := channel.List(dir)
	require.NoError(t, err)
	g := entries[0].Geometry
	second := int64(g.SlotsOff) + int64(g.SlotSize)
	require.NoError(t, writeAt(raw.Path(), bytes.Repeat([]byte{0x55}, 8), second))

	receiver := repairProcess.Start(t)
	receiver.Expect("met damage")
	waiting := waitProcess.Start(t)
	waiting.Expect("refused")
	h, err := m.Health(ctx, "q")
	require.NoError(t, err)
	assert.Equal(t, manager.Unhealthy, h.Status)
	short := newManager(t, manager.Options{Dir: dir, Retry: func() manager.Backoff {
		return &manager.Exponential{Attempts: 2}
	}})
	require.NoError(t, declare(short, "q"))
	_, err = short.Recover(ctx, "q")
	require.ErrorIs(t, err, channel.ErrBusy, "a living receiver has to do it")
	require.ErrorContains(t, err, fmt.Sprintf("pid %d", receiver.PID()))
	receiver.Say("repair it")
	waiting.Expect("sent")
	require.NoError(t, well(ctx, m, "q"))
	r, err := m.Recover(ctx, "q")
	require.NoError(t, err, "who comes too late finds it well")
	assert.Equal(t, state.Active, r.Was)
	_, err = m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	receiver.Expect("received [1 3 4]")
	require.NoError(t, receiver.Wait())
	require.NoError(t, waiting.Wait())
	empty(t, dir)
}

// guardProcess monitors a channel, and recovers it when it has to.
var guardProcess = channeltest.Func("guard",
	func(ctx context.Context, c *channeltest.Child) error {
		return with(manager.Options{}, func(m *manager.Manager) error {
			if _, err := m.Open(ctx, "q", channel.OpenOptions{}); err != nil {
				return err
			}
			stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{Recover: patient})
			if err != nil {
				return err
			}
			defer stop()
			c.Say("on guard")
			_, err = c.Hear()
			return err
		})
	})

func TestScenarioMonitorsOfAllProcessesRecoverOnce(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir})
	require.NoError(t, declare(m, "q"))
	require.NoError(t, sendNumbers(ctx, m, "q", 1, 3))
	c, err := m.Channel("q")
	require.NoError(t, err)
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	entries, err := channel.List(dir)
	require.NoError(t, err)
	first := int64(entries[0].Geometry.SlotsOff)
	require.NoError(t, writeAt(raw.Path(), bytes.Repeat([]byte{0x55}, 8), first))
	guards := []*channeltest.Process{guardProcess.Start(t), guardProcess.Start(t)}
	for _, g := range guards {
		g.Expect("on guard")
	}
	stop, err := m.StartMonitor(time.Millisecond, manager.MonitorOptions{Recover: patient})
	require.NoError(t, err)
	other, err := channel.Open(ctx, "q", channel.OpenOptions{Dir: dir})
	require.NoError(t, err)
	rx, err := other.Receiver(ctx)
	require.NoError(t, err)
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrCorrupt)
	require.NoError(t, other.Close()) // and all of them may
	require.NoError(t, well(ctx, m, "q"))
	stop()
	for _, g := range guards {
		g.Say("relieved")
		require.NoError(t, g.Wait())
	}
	var states []state.State
	recovered := 0
	for _, change := range raw.History() {
		states = append(states, change.Word.State())
		if change.Word.State() == state.Recovering {
			recovered++
		}
	}
	want := []state.State{state.Error, state.Recovering, state.Active}
	require.GreaterOrEqual(t, len(states), len(want))
	assert.Equal(t, want, states[len(states)-len(want):])
	assert.Equal(t, 1, recovered, "one was enough")
	got := uint64(1)
	end := make(chan error, 1)
	go func() {
		end <- drainTo(ctx, m, "q", func(msg channel.Message) error {
			if got++; numberOf(msg) != got {
				return fmt.Errorf("message %d is %d", got, numberOf(msg))
			}
			return nil
		})
	}()
	_, err = m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, <-end)
	assert.Equal(t, uint64(3), got)
	empty(t, dir)
}

// runnerProcess answers requests; from the given number on it keeps them and says so.
var runnerProcess = channeltest.Func("runner",
	func(ctx context.Context, c *channeltest.Child) error {
		return with(manager.Options{}, func(m *manager.Manager) error {
			if err := link(ctx, m, "requests", "answers"); err != nil {
				return err
			}
			answers, err := m.Channel("answers")
			if err != nil {
				return err
			}
			again := 0
			err = drainTo(ctx, m, "requests", func(msg channel.Message) error {
				if msg.Redelivered() {
					again++
				}
				if len(c.Args) > 0 && fmt.Sprint(numberOf(msg)) == c.Args[0] {
					c.Say("holding")
					_, err := c.Hear()
					return err
				}
				return answers.Send(ctx, msg.Bytes())
			})
			c.Say("again %d", again)
			return err
		})
	})

func TestScenarioKilledRunnerIsReplaced(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir, Retry: patient})
	require.NoError(t, declare(m, "requests", "answers"))
	const messages = 100 // more than there is room for
	source := sourceProcess.Start(t, "requests", fmt.Sprint(messages))
	runner := runnerProcess.Start(t, "7")
	runner.Expect("holding")
	times := make(map[uint64]int)
	received := make(chan error, 1)
	go func() {
		received <- drainTo(ctx, m, "answers", func(msg channel.Message) error {
			times[numberOf(msg)]++
			return nil
		})
	}()
	runner.Kill()
	h := healthOf(t, m, "requests", func(h manager.Health) bool { return len(h.Dead) > 0 })
	assert.Contains(t, h.Dead[0], fmt.Sprintf("pid %d", runner.PID()))
	next := runnerProcess.Start(t)
	source.Expect("sent")
	_, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, <-received)
	again := 0
	line, ok := next.Hear()
	require.True(t, ok)
	_, err = fmt.Sscanf(line, "again %d", &again)
	require.NoError(t, err)
	assert.Positive(t, again, "what was held comes again, and says so")
	assert.Len(t, times, messages, "every request was answered")
	total := 0
	for _, n := range times {
		total += n
	}
	assert.LessOrEqual(t, total, messages+again-1, "twice only what was said to come again")
	require.NoError(t, next.Wait())
	empty(t, dir)
}

// sinkProcess takes everything and says by whom it was told of the end.
var sinkProcess = channeltest.Func("sink",
	func(ctx context.Context, c *channeltest.Child) error {
		return with(manager.Options{}, func(m *manager.Manager) error {
			if err := declare(m, "out"); err != nil {
				return err
			}
			q, err := m.Channel("out")
			if err != nil {
				return err
			}
			if _, err := q.Receiver(ctx); err != nil {
				return err
			}
			c.Say("ready")
			told := make(chan error, 1)
			go func() {
				change, err := announcement(ctx, m, "out")
				c.Say("pid %d announced %q", change.PID, change.Reason)
				told <- err
			}()
			n := 0
			err = drainTo(ctx, m, "out", func(channel.Message) error { n++; return nil })
			err = errors.Join(err, <-told)
			c.Say("received %d", n)
			return err
		})
	})

func TestScenarioCoordinatedShutdown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir})
	require.NoError(t, declare(m, "in", "out"))
	sink := sinkProcess.Start(t)
	sink.Expect("ready")
	runner := stageProcess.Start(t, "in", "out")
	runner.Expect("linked")
	var mu sync.Mutex
	var told []string
	resource := func(name string, end func() error) recorder {
		return recorder{name, func(ctx context.Context) error {
			_, bounded := ctx.Deadline()
			assert.True(t, bounded, "it is told how much time there is")
			err := end()
			mu.Lock()
			defer mu.Unlock()
			told = append(told, name)
			return err
		}}
	}
	require.NoError(t, m.Register(resource("model", func() error { return nil })))
	require.NoError(t, m.Register(resource("runner", runner.Wait), "out", "model"))
	require.NoError(t, m.DependsOn(ctx, "in", "runner"))
	const messages = 200
	require.NoError(t, sendNumbers(ctx, m, "in", 1, messages))
	last := make(map[string]channel.Progress)
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{
		Reason: "deploy",
		Progress: func(name string, p channel.Progress) {
			mu.Lock()
			defer mu.Unlock()
			last[name] = p
		},
	})
	require.NoError(t, err)
	sink.Expect(fmt.Sprintf("pid %d announced %q", os.Getpid(), "deploy"))
	sink.Expect(fmt.Sprintf("received %d", messages))
	require.NoError(t, sink.Wait())
	assert.Equal(t, []string{"runner", "model"}, told)
	require.Len(t, report.Ends, 4)
	assert.Equal(t, []string{"in", "runner"}, order(report)[:2])
	assert.Len(t, last, 2)
	for _, p := range last {
		assert.Zero(t, p.Left)
	}
	assert.Zero(t, report.Discarded+report.NotDelivered+report.Left)
	empty(t, dir)
}

// TestShutdownThatIsLateStillClosesAResource: nobody else closes it, so there is nothing to
// wait for, and its Close decides what to do without time.
func TestShutdownThatIsLateStillClosesAResource(t *testing.T) {
	m := newManager(t, manager.Options{})
	for range 50 { // the choice between two ready cases is made at random
		closed := 0
		require.NoError(t, m.Register(recorder{"runner", func(ctx context.Context) error {
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			closed++
			return nil
		}}))
		ctx, cancel := context.WithDeadline(t.Context(), time.Now())
		<-ctx.Done()
		_, err := m.Shutdown(ctx, manager.ShutdownOptions{AtDeadline: channel.Force})
		cancel()
		require.NoError(t, err)
		require.Equal(t, 1, closed)
	}
}
