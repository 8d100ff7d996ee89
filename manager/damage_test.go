//go:build linux

package manager_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/shmtest"
	"shmring/manager"
	"shmring/state"
)

// TestShutdownRefusesACycleThatSomebodyStored: package channel takes every dependency, and
// what waits for itself would never end.
func TestShutdownRefusesACycleThatSomebodyStored(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	ctx := t.Context()
	m := newManager(t, manager.Options{Dir: channeltest.Dir(t)})
	raw := make(map[string]*channel.Channel)
	for _, name := range []string{"a", "b", "above"} {
		c, err := m.Create(ctx, name, channel.Options{})
		require.NoError(t, err)
		raw[name], err = c.Raw(ctx)
		require.NoError(t, err)
	}
	require.NoError(t, raw["a"].DependOn(ctx, raw["b"]))
	require.NoError(t, raw["b"].DependOn(ctx, raw["a"]))
	require.NoError(t, raw["above"].DependOn(ctx, raw["a"]))
	_, err := m.Shutdown(ctx, manager.ShutdownOptions{})
	var cycle *manager.CycleError
	require.ErrorAs(t, err, &cycle)
	assert.Len(t, cycle.Names, 2)
	for name, ch := range raw {
		assert.Equal(t, state.Active, ch.State(), name)
		_, announced := ch.Plan()
		assert.False(t, announced, name)
	}
	require.NoError(t, raw["b"].Independ(ctx, "a"))
	_, err = m.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err)
}

func TestMemoryThatIsGoneIsNotHealthy(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{Dir: channeltest.Dir(t)})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	ch, err := c.Raw(ctx)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(ch.Path(), 4096))
	h, err := m.Health(ctx, "q")
	require.NoError(t, err)
	assert.Equal(t, manager.Unhealthy, h.Status)
	assert.True(t, says(h, "impossible state"), "%v", h.Reasons)
	require.NoError(t, os.Remove(ch.Path()))
	require.ErrorIs(t, m.Forget("q"), channel.ErrFault)
}
