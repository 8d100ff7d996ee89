//go:build linux

package manager_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
)

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
