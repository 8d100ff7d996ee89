//go:build linux

package manager_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/manager"
)

func TestPanicInAFunctionOfTheCallerKeepsNoRole(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	for _, text := range []string{"lost", "kept"} {
		require.NoError(t, c.Send(ctx, []byte(text)))
	}
	assert.Panics(t, func() {
		_, _ = m.Extract(ctx, "q", func([]byte) error { panic("broken") })
	})
	msg, err := c.Recv(ctx)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(msg.Bytes()))
	msg.Release()
}

func TestPanicInAFunctionOfTheCallerKeepsNoAttachment(t *testing.T) {
	ctx := t.Context()
	m := newManager(t, manager.Options{})
	ch, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	require.NoError(t, ch.Send(ctx, nil))
	other := newManager(t, manager.Options{Dir: channeltest.Dir(t)})
	require.NoError(t, other.Declare("q", manager.Spec{}))
	assert.Panics(t, func() {
		_, _ = other.Extract(ctx, "q", func([]byte) error { panic("broken") })
	})
	msg, err := ch.Recv(ctx)
	if err == nil {
		msg.Release()
	}
	// The file goes with the last attachment, as the directory's check will see.
}

func TestCloseTakesWhatTheCallerClosedHimself(t *testing.T) {
	ctx := t.Context()
	m, err := manager.New(manager.Options{Dir: channeltest.Dir(t)})
	require.NoError(t, err)
	e, err := m.Event(ctx, "e")
	require.NoError(t, err)
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	ch, err := c.Raw(ctx)
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	require.NoError(t, e.Close())
	require.NoError(t, m.Close())
	require.ErrorIs(t, m.Close(), channel.ErrClosed)
}
