//go:build linux

package manager_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/race"
	"shmring/manager"
)

func TestOperationThatDoesNotWaitMakesNoTimer(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	ctx := context.Background()
	m := newManager(t, manager.Options{})
	c, err := m.Create(ctx, "q", channel.Options{})
	require.NoError(t, err)
	both := func() {
		require.NoError(t, c.Send(ctx, nil))
		msg, err := c.Recv(ctx)
		require.NoError(t, err)
		msg.Release()
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(100, both), 2.0, "a context each")
}

// BenchmarkOperation compares a Send and a Recv through a Manager with those of the channel,
// whose message is there at once: raw, with a deadline of the caller's, with that of
// OpTimeout, and with none.
func BenchmarkOperation(b *testing.B) {
	deadline, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	for _, row := range []struct {
		name    string
		ctx     context.Context
		timeout time.Duration
	}{
		{"deadline", deadline, 0},
		{"timeout", b.Context(), 0},
		{"endless", b.Context(), -1},
	} {
		b.Run(row.name, func(b *testing.B) {
			m, c := benchChannel(b, manager.Options{OpTimeout: row.timeout})
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Send(row.ctx, []byte("message")); err != nil {
					b.Fatal(err)
				}
				msg, err := c.Recv(row.ctx)
				if err != nil {
					b.Fatal(err)
				}
				msg.Release()
			}
			require.NoError(b, m.Close())
		})
	}
	b.Run("raw", func(b *testing.B) {
		m, c := benchChannel(b, manager.Options{})
		tx, err := c.Sender(b.Context())
		require.NoError(b, err)
		rx, err := c.Receiver(b.Context())
		require.NoError(b, err)
		b.ReportAllocs()
		for b.Loop() {
			if err := tx.Send(b.Context(), []byte("message")); err != nil {
				b.Fatal(err)
			}
			msg, err := rx.Recv(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			msg.Release()
		}
		require.NoError(b, m.Close())
	})
}

func benchChannel(b *testing.B, o manager.Options) (*manager.Manager, *manager.Channel) {
	b.Helper()
	o.Dir = channeltest.Dir(b)
	m, err := manager.New(o)
	require.NoError(b, err)
	c, err := m.Create(b.Context(), "q", channel.Options{})
	require.NoError(b, err)
	return m, c
}
