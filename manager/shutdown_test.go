//go:build linux

package manager_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
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

// chain registers channels of which each depends on the next.
func chain(t *testing.T, m *manager.Manager, names ...string) {
	t.Helper()
	for i, name := range names {
		_, err := m.OpenOrCreate(t.Context(), name, channel.Options{})
		require.NoError(t, err)
		if i > 0 {
			require.NoError(t, m.DependsOn(t.Context(), names[i-1], name))
		}
	}
}

// stage moves messages from one channel to another until the first ends.
func stage(ctx context.Context, m *manager.Manager, from, to string) error {
	in, err := m.Channel(from)
	if err != nil {
		return err
	}
	out, err := m.Channel(to)
	if err != nil {
		return err
	}
	for {
		msg, err := in.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = out.Send(ctx, msg.Bytes())
		msg.Release()
		if err != nil {
			return err
		}
	}
}

func TestShutdownDrainsAlongTheDependencies(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{Dir: dir})
	chain(t, m, "in", "mid", "out")
	const messages = 200
	var work sync.WaitGroup
	work.Go(func() { assert.NoError(t, stage(ctx, m, "in", "mid")) })
	work.Go(func() { assert.NoError(t, stage(ctx, m, "mid", "out")) })
	got := 0
	out, err := m.Channel("out")
	require.NoError(t, err)
	work.Go(func() {
		for {
			msg, err := out.Recv(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				assert.NoError(t, err)
				return
			}
			got++
			msg.Release()
		}
	})
	in, err := m.Channel("in")
	require.NoError(t, err)
	for i := range messages {
		require.NoError(t, in.Send(ctx, fmt.Appendf(nil, "%d", i)))
	}
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{Reason: "test"})
	require.NoError(t, err)
	work.Wait()
	assert.Equal(t, messages, got)
	var order []string
	for _, end := range report.Ends {
		order = append(order, end.Name)
		assert.Equal(t, state.Closed, end.Report.State)
	}
	assert.Equal(t, []string{"in", "mid", "out"}, order)
	assert.Zero(t, report.Left)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Empty(t, files)
	again, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err, "what has ended may be ended again")
	assert.Len(t, again.Ends, 3)
}

func TestCyclesAreRefusedByName(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{Dir: dir})
	chain(t, m, "a", "b", "c")
	var cycle *manager.CycleError
	err := m.DependsOn(ctx, "c", "a")
	require.ErrorAs(t, err, &cycle)
	assert.Equal(t, []string{"c", "a", "b"}, cycle.Names)
	assert.Equal(t, "dependencies in a cycle: c → a → b → c", cycle.Error())
	require.ErrorAs(t, m.DependsOn(ctx, "a", "a"), &cycle)
	require.ErrorIs(t, m.DependsOn(ctx, "a", "x"), fs.ErrNotExist)
	require.ErrorIs(t, m.DependsOn(ctx, "x", "a"), fs.ErrNotExist)
	g, err := m.Graph(ctx)
	require.NoError(t, err)
	assert.Equal(t, manager.Graph{"a": {"b"}, "b": {"c"}, "c": nil}, g)
	other := newManager(t, manager.Options{Dir: dir})
	for _, name := range []string{"a", "c"} {
		_, err := other.Open(ctx, name, channel.OpenOptions{})
		require.NoError(t, err)
	}
	require.ErrorAs(t, other.DependsOn(ctx, "c", "a"), &cycle, "it is kept in the segments")
	again, err := other.Graph(ctx)
	require.NoError(t, err)
	assert.Equal(t, g, again)
}

// recorder is a Resource.
type recorder struct {
	name  string
	close func(ctx context.Context) error
}

func (r recorder) Name() string                    { return r.name }
func (r recorder) Close(ctx context.Context) error { return r.close(ctx) }

func TestResourcesEndInOrderAndAFailureKeepsBackOnlyWhatItDependsOn(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	chain(t, m, "in", "out")
	_, err := m.Create(ctx, "apart", channel.Options{})
	require.NoError(t, err)
	broken := errors.New("does not stop")
	failing := true
	var ended []string
	var mu sync.Mutex
	closer := func(name string, fails bool) recorder {
		return recorder{name, func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			if fails && failing {
				return broken
			}
			ended = append(ended, name)
			return nil
		}}
	}
	require.ErrorIs(t, m.Register(closer("runner", true), "nothing"), fs.ErrNotExist)
	require.NoError(t, m.Register(closer("runner", true), "out"))
	require.NoError(t, m.Register(closer("model", false)))
	require.ErrorIs(t, m.Register(closer("model", false)), fs.ErrExist)
	require.ErrorIs(t, m.Register(closer("in", false)), fs.ErrExist)
	require.NoError(t, m.DependsOn(ctx, "runner", "model"))
	require.NoError(t, m.DependsOn(ctx, "in", "runner"))
	var cycle *manager.CycleError
	require.ErrorAs(t, m.DependsOn(ctx, "model", "in"), &cycle)

	report, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, manager.ErrNotEnded)
	failed := make(map[string]bool)
	for _, end := range report.Ends {
		failed[end.Name] = end.Err != nil
	}
	assert.Equal(t, map[string]bool{
		"in": false, "apart": false, "runner": true, "out": true, "model": true,
	}, failed)

	failing = false
	report, err = m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"runner", "model"}, ended)
	at := func(name string) int {
		return slices.IndexFunc(report.Ends, func(e manager.End) bool { return e.Name == name })
	}
	assert.Less(t, at("runner"), at("out"))
}

func TestShutdownIsAnnouncedToOtherProcessesAndLeavesWhatIsNotDrained(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{Dir: dir, Retry: func() manager.Backoff {
		return &manager.Exponential{Attempts: 2}
	}})
	chain(t, m, "in", "out")
	in, err := m.Channel("in")
	require.NoError(t, err)
	require.NoError(t, in.Send(ctx, []byte("unread")))
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{Reason: "deploy"})
	require.ErrorIs(t, err, channel.ErrPeerDead, "nobody receives")
	require.ErrorIs(t, err, manager.ErrNotEnded)
	assert.Equal(t, uint64(1), report.Left)
	var o channel.OpenOptions
	o.Dir = dir
	for name, want := range map[string]state.State{"in": state.Draining, "out": state.Active} {
		ch, err := channel.Open(ctx, name, o)
		require.NoError(t, err)
		p, ok := ch.Plan()
		assert.True(t, ok)
		assert.Equal(t, "deploy", p.Reason)
		assert.Equal(t, want, ch.State())
		require.NoError(t, ch.Close())
	}
	var taken []string
	other := newManager(t, manager.Options{Dir: dir})
	_, err = other.Open(ctx, "out", channel.OpenOptions{})
	require.NoError(t, err)
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	report, err = other.Shutdown(short, manager.ShutdownOptions{
		AtDeadline: channel.Force,
		Discarded:  func(name string, p []byte) { taken = append(taken, name+":"+string(p)) },
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"in:unread"}, taken, "in depends on out, whoever opened it")
	assert.Equal(t, uint64(1), report.Discarded)
}

func TestCloseChannelEndsWhatDependsOnItAndNothingElse(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	chain(t, m, "in", "mid", "out")
	report, err := m.CloseChannel(ctx, "mid", "no longer needed")
	require.NoError(t, err)
	require.Len(t, report.Ends, 2)
	assert.Equal(t, "in", report.Ends[0].Name)
	assert.Equal(t, "mid", report.Ends[1].Name)
	out, err := m.Channel("out")
	require.NoError(t, err)
	raw, err := out.Raw(ctx)
	require.NoError(t, err)
	assert.Equal(t, state.Active, raw.State())
	_, err = m.CloseChannel(ctx, "nothing", "")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Each of two waits for the other one's end to begin.
func TestWhatDoesNotDependOnEachOtherEndsAtTheSameTime(t *testing.T) {
	m := newManager(t, manager.Options{})
	meet := make(chan struct{})
	require.NoError(t, m.Register(recorder{"a", func(context.Context) error {
		meet <- struct{}{}
		return nil
	}}))
	require.NoError(t, m.Register(recorder{"b", func(context.Context) error {
		<-meet
		return nil
	}}))
	report, err := m.Shutdown(t.Context(), manager.ShutdownOptions{})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"a", "b"}, order(report))
}

func TestShutdownLeavesAForgottenChannelAlone(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	m, other := newManager(t, manager.Options{Dir: dir}), newManager(t, manager.Options{Dir: dir})
	for _, m := range []*manager.Manager{m, other} {
		require.NoError(t, declare(m, "q"))
	}
	q, err := other.Channel("q")
	require.NoError(t, err)
	raw, err := q.Raw(ctx)
	require.NoError(t, err)
	end := func(context.Context) error { return nil }
	require.NoError(t, m.Register(recorder{"worker", end}))
	require.NoError(t, m.DependsOn(ctx, "q", "worker"))
	require.NoError(t, m.Forget("q"))
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"worker"}, order(report))
	assert.Equal(t, state.Active, raw.State())
}
