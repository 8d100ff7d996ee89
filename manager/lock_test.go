//go:build linux

package manager_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/shmtest"
	"shmring/manager"
)

var holdLock = channeltest.Func("hold a lock",
	func(ctx context.Context, c *channeltest.Child) error {
		m, err := manager.New(manager.Options{})
		if err != nil {
			return err
		}
		if _, err := m.Lock(ctx, c.Args[0]); err != nil {
			return err
		}
		c.Say("locked")
		_, _ = c.Hear()
		return nil
	})

func TestLockIsFreedByTheDeathOfItsHolder(t *testing.T) {
	ctx := t.Context()
	dir := channeltest.Setenv(t)
	m := newManager(t, manager.Options{Dir: dir})
	p := holdLock.Start(t, "x")
	p.Expect("locked")
	_, err := m.TryLock(ctx, "x")
	require.ErrorIs(t, err, channel.ErrBusy)
	waiting := make(chan error, 1)
	go func() {
		l, err := m.Lock(ctx, "x")
		if err == nil {
			err = l.Unlock()
		}
		waiting <- err
	}()
	p.Kill()
	require.NoError(t, <-waiting)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Empty(t, files)
}

func TestLockExcludesWithinAProcess(t *testing.T) {
	m := newManager(t, manager.Options{})
	const goroutines, rounds = 4, 25
	counter := 0
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range rounds {
				l, err := m.Lock(t.Context(), "x")
				if !assert.NoError(t, err) {
					return
				}
				counter++
				assert.NoError(t, l.Unlock())
			}
		})
	}
	all.Wait()
	assert.Equal(t, goroutines*rounds, counter)
	l, err := m.Lock(t.Context(), "x")
	require.NoError(t, err)
	require.NoError(t, l.Unlock())
	require.ErrorIs(t, l.Unlock(), channel.ErrClosed)
}

func TestEventIsSharedByManagersAndClosedWithThem(t *testing.T) {
	ctx := t.Context()
	shmtest.Watchdog(t, limit)
	dir := channeltest.Dir(t)
	a := newManager(t, manager.Options{Dir: dir})
	b := newManager(t, manager.Options{Dir: dir})
	ea, err := a.Event(ctx, "model")
	require.NoError(t, err)
	same, err := a.Event(ctx, "model")
	require.NoError(t, err)
	assert.Same(t, ea, same)
	eb, err := b.Event(ctx, "model")
	require.NoError(t, err)
	_, err = ea.Signal([]byte("loaded"))
	require.NoError(t, err)
	_, value, err := eb.Load()
	require.NoError(t, err)
	assert.Equal(t, "loaded", string(value))
	require.NoError(t, a.Close())
	_, err = a.Event(ctx, "model")
	require.ErrorIs(t, err, channel.ErrClosed)
	_, err = ea.Signal(nil)
	require.ErrorIs(t, err, channel.ErrClosed)
}

func TestEventThatItsUserClosedIsOpenedAnew(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	kept, err := m.Event(ctx, "kept")
	require.NoError(t, err)
	for want := range uint64(3) {
		e, err := m.Event(ctx, "closed")
		require.NoError(t, err)
		seq, err := e.Signal(nil)
		require.NoError(t, err, "%d", want)
		assert.Equal(t, uint64(1), seq, "of an event whose last handle was closed")
		require.NoError(t, e.Close())
	}
	same, err := m.Event(ctx, "kept")
	require.NoError(t, err)
	assert.Same(t, kept, same)
}

func TestClosedManagerGivesNoLockAndNoHealth(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	require.NoError(t, m.Close())
	_, err := m.Lock(ctx, "x")
	require.ErrorIs(t, err, channel.ErrClosed)
	_, err = m.TryLock(ctx, "x")
	require.ErrorIs(t, err, channel.ErrClosed)
	_, err = m.HealthAll(ctx)
	require.ErrorIs(t, err, channel.ErrClosed)
}
