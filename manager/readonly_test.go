//go:build linux

package manager_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
	"shmring/state"
)

// lookers are a manager that owns "in", which depends on "out", and another one that has
// opened one of them read-only.
func lookers(t *testing.T, looksAt string) (owner, looker *manager.Manager) {
	t.Helper()
	dir := channeltest.Dir(t)
	owner = newManager(t, manager.Options{Dir: dir})
	require.NoError(t, link(t.Context(), owner, "in", "out"))
	looker = newManager(t, manager.Options{Dir: dir})
	spec := manager.Spec{}
	spec.ReadOnly = true
	require.NoError(t, looker.Declare(looksAt, spec))
	return owner, looker
}

func TestShutdownLeavesOutWhatIsOnlyLookedAt(t *testing.T) {
	ctx := t.Context()
	owner, looker := lookers(t, "out")
	closed := false
	require.NoError(t, looker.Register(recorder{"runner", func(context.Context) error {
		closed = true
		return nil
	}}, "out"))
	report, err := looker.Shutdown(ctx, manager.ShutdownOptions{AtDeadline: channel.Force})
	require.NoError(t, err)
	assert.Equal(t, []string{"runner"}, order(report))
	assert.True(t, closed)
	_, err = looker.CloseChannel(ctx, "out", "")
	require.ErrorIs(t, err, channel.ErrState)
	require.ErrorContains(t, err, "read-only")
	for _, c := range owner.Channels() {
		ch, err := c.Raw(ctx)
		require.NoError(t, err)
		assert.Equal(t, state.Active, ch.State(), c.Name())
		_, announced := ch.Plan()
		assert.False(t, announced, c.Name())
	}
}

func TestShutdownEndsNothingBeforeWhatIsOnlyLookedAt(t *testing.T) {
	ctx := t.Context()
	owner, looker := lookers(t, "in")
	require.NoError(t, declare(looker, "out"))
	report, err := looker.Shutdown(ctx, manager.ShutdownOptions{})
	require.ErrorIs(t, err, manager.ErrNotEnded)
	ends := endsOf(report)
	require.ErrorIs(t, ends["in"], channel.ErrState)
	require.ErrorContains(t, ends["in"], "read-only")
	require.ErrorIs(t, ends["out"], manager.ErrNotEnded)
	for _, c := range owner.Channels() {
		ch, err := c.Raw(ctx)
		require.NoError(t, err)
		assert.Equal(t, state.Active, ch.State(), c.Name())
	}
	_, err = owner.CloseChannel(ctx, "in", "")
	require.NoError(t, err)
	_, err = looker.Shutdown(ctx, manager.ShutdownOptions{})
	require.NoError(t, err, "the other one has ended it")
}
