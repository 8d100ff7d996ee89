package channel_test

import (
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/state"
)

func TestDependenciesAreSeenByEveryAttachment(t *testing.T) {
	ctx := begin(t)
	in := newChannel(t, channel.Options{})
	out, err := channel.Create(ctx, "out", channel.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = out.Close() })
	require.Empty(t, in.Dependencies())
	require.NoError(t, in.DependOn(ctx, out))
	require.NoError(t, in.DependOn(ctx, out), "once more is no second one")
	peer, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
	require.NoError(t, err)
	want := []channel.Dependency{{Name: "out", Instance: out.Instance()}}
	assert.Equal(t, want, peer.Dependencies())
	require.NoError(t, in.Independ(ctx, "out"))
	require.NoError(t, in.Independ(ctx, "nobody"))
	assert.Empty(t, peer.Dependencies())
	require.NoError(t, peer.Close())
}

func TestDependencyOnARecreatedChannelReplacesTheFormerOne(t *testing.T) {
	ctx := begin(t)
	in := newChannel(t, channel.Options{})
	for range 2 {
		out, err := channel.Create(ctx, "out", channel.Options{})
		require.NoError(t, err)
		require.NoError(t, in.DependOn(ctx, out))
		want := []channel.Dependency{{Name: "out", Instance: out.Instance()}}
		assert.Equal(t, want, in.Dependencies())
		require.NoError(t, out.Close())
	}
}

func TestDependenciesHaveALimitAndNeedAName(t *testing.T) {
	ctx := begin(t)
	in := newChannel(t, channel.Options{})
	nameless, err := channel.Create(ctx, "", channel.Options{Nameless: true})
	require.NoError(t, err)
	require.ErrorIs(t, in.DependOn(ctx, nameless), fs.ErrInvalid)
	require.ErrorIs(t, in.DependOn(ctx, in), fs.ErrInvalid)
	require.NoError(t, nameless.Close())
	for i := range channel.MaxDependencies + 1 {
		out, err := channel.Create(ctx, fmt.Sprintf("out%d", i), channel.Options{})
		require.NoError(t, err)
		err = in.DependOn(ctx, out)
		if i < channel.MaxDependencies {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, channel.ErrFull)
		}
		require.NoError(t, out.Close())
	}
	assert.Len(t, in.Dependencies(), channel.MaxDependencies)
}

func TestAnnouncedEndIsSeenByEverybodyAndStopsNobody(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	peer, err := channel.Open(ctx, "q", channel.OpenOptions{})
	require.NoError(t, err)
	_, ok := peer.Plan()
	require.False(t, ok)
	until := time.Now().Add(time.Hour)
	require.NoError(t, ch.Announce(ctx, "deploy", until))
	p, ok := peer.Plan()
	require.True(t, ok)
	assert.Equal(t, "deploy", p.Reason)
	assert.Equal(t, until.UnixNano(), p.Deadline.UnixNano())
	assert.NotZero(t, p.PID)
	tx, rx := pair(t, peer)
	require.NoError(t, tx.Send(ctx, []byte("still accepted")))
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	m.Release()
	assert.Equal(t, state.Active, ch.State())
	require.NoError(t, ch.Withdraw(ctx))
	_, ok = peer.Plan()
	require.False(t, ok)
	require.NoError(t, peer.Close())
}

func TestWatchTellsOfAnAnnouncement(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	var seen []string
	for c, err := range ch.Watch(ctx) {
		require.NoError(t, err)
		seen = append(seen, c.Kind.String())
		switch c.Kind {
		case channel.StateChanged:
			if c.State == state.Active {
				require.NoError(t, ch.Announce(ctx, "deploy", time.Time{}))
			}
		case channel.Announced:
			assert.Equal(t, "deploy", c.Reason)
			require.NoError(t, ch.Withdraw(ctx))
		case channel.Withdrawn:
			_, err := ch.Shutdown(ctx, channel.ShutdownOptions{})
			require.NoError(t, err)
		default:
			require.Fail(t, "nobody came or left", "%v", c)
		}
	}
	assert.Equal(t, []string{"state", "announced", "withdrawn", "state"}, seen)
}

func TestReadOnlyAttachmentAnnouncesNothing(t *testing.T) {
	ctx := begin(t)
	newChannel(t, channel.Options{})
	ro, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
	require.NoError(t, err)
	require.ErrorIs(t, ro.Announce(ctx, "no", time.Time{}), channel.ErrState)
	other, err := channel.Create(ctx, "other", channel.Options{})
	require.NoError(t, err)
	require.ErrorIs(t, ro.DependOn(ctx, other), channel.ErrState)
	require.NoError(t, other.Close())
	require.NoError(t, ro.Close())
}
