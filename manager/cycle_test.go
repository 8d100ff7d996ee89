//go:build linux

package manager_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
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

// endsOf returns the error with which each thing ended.
func endsOf(r manager.Report) map[string]error {
	ends := make(map[string]error)
	for _, end := range r.Ends {
		ends[end.Name] = end.Err
	}
	return ends
}

// A process that is killed between the record of a dependency and the look for cycles leaves
// one, as does a hostile one. Each thing in it waits for the others.
func TestShutdownNamesAStoredCycleAndEndsWhatDoesNotNeedIt(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	chain(t, m, "above", "a", "b", "below")
	_, err := m.Create(ctx, "apart", channel.Options{})
	require.NoError(t, err)
	raw := func(name string) *channel.Channel {
		c, err := m.Channel(name)
		require.NoError(t, err)
		ch, err := c.Raw(ctx)
		require.NoError(t, err)
		return ch
	}
	require.NoError(t, raw("b").DependOn(ctx, raw("a")))
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	var cycle *manager.CycleError
	require.ErrorAs(t, err, &cycle)
	assert.ElementsMatch(t, []string{"a", "b"}, cycle.Names)
	ends := endsOf(report)
	require.Len(t, ends, 5)
	require.NoError(t, ends["above"])
	require.NoError(t, ends["apart"])
	require.ErrorAs(t, ends["a"], &cycle)
	require.ErrorAs(t, ends["b"], &cycle)
	require.ErrorIs(t, ends["below"], manager.ErrNotEnded)
	assert.Equal(t, state.Active, raw("a").State())
	_, announced := raw("a").Plan()
	assert.False(t, announced)
	require.NoError(t, raw("b").Independ(ctx, "a"))
	_, err = m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err, "it may be called again")
}

func TestShutdownEndsTheRestBesideAChannelThatCannotBeOpened(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Dir(t)
	m := newManager(t, manager.Options{Dir: dir})
	chain(t, m, "in", "out")
	in, err := m.Channel("in")
	require.NoError(t, err)
	raw, err := in.Raw(ctx)
	require.NoError(t, err)
	bad := filepath.Join(dir, strings.TrimSuffix(filepath.Base(raw.Path()), "in")+"bad")
	require.NoError(t, os.WriteFile(bad, []byte("no segment"), 0o600))
	require.NoError(t, m.Declare("bad", manager.Spec{}))
	_, err = m.Graph(ctx)
	require.Error(t, err)
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	require.Error(t, err)
	ends := endsOf(report)
	require.Len(t, ends, 3)
	require.NoError(t, ends["in"])
	require.NoError(t, ends["out"])
	require.Error(t, ends["bad"])
	for _, end := range report.Ends {
		if end.Name == "bad" {
			assert.Zero(t, end.Report.State, "nobody saw it")
		}
	}
	require.NoError(t, os.Remove(bad))
}

func TestNameOfADependencyThatIsNoNameKeepsNobodyBack(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	chain(t, m, "in", "out")
	c, err := m.Channel("in")
	require.NoError(t, err)
	raw, err := c.Raw(ctx)
	require.NoError(t, err)
	f, err := os.OpenFile(raw.Path(), os.O_RDWR, 0)
	require.NoError(t, err)
	row := make([]byte, 256) // docs/LAYOUT.md: Control, Depends, its second row
	row[0] = 1
	copy(row[24:], "../x y")
	_, err = f.WriteAt(row, layout.ControlOff+3328+256)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Len(t, raw.Dependencies(), 2)
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
	assert.Len(t, report.Ends, 2)
	require.Error(t, m.Declare("../x y", manager.Spec{}))
}

// A fuse is a context that ends when it is asked for the n-th time whether it has.
type fuse struct {
	context.Context //nolint:containedctx // it is one
	left            atomic.Int32
	end             context.CancelFunc
}

func (f *fuse) Err() error {
	if f.left.Add(-1) == 0 {
		f.end()
	}
	return f.Context.Err()
}

func TestDependsOnThatFailsRecordsNothing(t *testing.T) {
	m := newManager(t, manager.Options{})
	chain(t, m, "a")
	chain(t, m, "b")
	c, err := m.Channel("a")
	require.NoError(t, err)
	raw, err := c.Raw(t.Context())
	require.NoError(t, err)
	for n := int32(1); ; n++ {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fuse{Context: ctx, end: cancel}
		f.left.Store(n)
		err := m.DependsOn(f, "a", "b")
		cancel()
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, raw.Dependencies(), "ended at look %d", n)
	}
	assert.Len(t, raw.Dependencies(), 1)
}

func TestResourceThatEndsItsGoroutineIsOneThatDidNotEnd(t *testing.T) {
	m := newManager(t, manager.Options{})
	chain(t, m, "out")
	closer := recorder{"runner", func(context.Context) error {
		runtime.Goexit()
		return nil
	}}
	require.NoError(t, m.Register(closer, "out"))
	report, err := m.Shutdown(t.Context(), manager.ShutdownOptions{})
	require.ErrorIs(t, err, manager.ErrNotEnded)
	ends := endsOf(report)
	require.Error(t, ends["runner"])
	require.ErrorIs(t, ends["out"], manager.ErrNotEnded)
	m.Unregister("runner")
	_, err = m.Shutdown(t.Context(), manager.ShutdownOptions{})
	require.NoError(t, err)
}

func TestOfSeveralShutdownsOneClosesAResource(t *testing.T) {
	m := newManager(t, manager.Options{})
	var closed atomic.Int32
	entered := make(chan struct{}, 2)
	leave := make(chan struct{})
	require.NoError(t, m.Register(recorder{"runner", func(context.Context) error {
		entered <- struct{}{}
		<-leave
		closed.Add(1)
		return nil
	}}))
	done := make(chan error, 2)
	shut := func() {
		_, err := m.Shutdown(t.Context(), manager.ShutdownOptions{})
		done <- err
	}
	go shut()
	<-entered
	go shut()
	select {
	case <-entered: // the second is at it as well
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	assert.Equal(t, int32(1), closed.Load())
}

func TestResourceCannotCloseACycleThroughItsFormerSelf(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	chain(t, m, "q")
	runner := recorder{"runner", func(context.Context) error { return nil }}
	require.NoError(t, m.Register(runner))
	require.NoError(t, m.DependsOn(ctx, "q", "runner"))
	m.Unregister("runner")
	require.NoError(t, m.Register(runner, "q"), "what depended on the former one does no more")
	_, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
}

func TestOneNameIsOneThing(t *testing.T) {
	m := newManager(t, manager.Options{})
	require.NoError(t, m.Register(recorder{"runner", func(context.Context) error { return nil }}))
	depth := func() (used, capacity uint64) { return 0, 1 }
	require.NoError(t, m.Track("backlog", manager.QueueInfo{Depth: depth}))
	for _, name := range []string{"runner", "backlog"} {
		err := m.Declare(name, manager.Spec{})
		require.ErrorIs(t, err, os.ErrExist)
	}
}
