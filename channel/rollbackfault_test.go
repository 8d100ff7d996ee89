//go:build fault

package channel_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/state"
)

// TestRollbackThatEndsWhileItsReceiverLooksIsNoError lets a rollback be done between the
// moment when a receiver sees its ERROR and that when it asks whether it still goes on.
func TestRollbackThatEndsWhileItsReceiverLooksIsNoError(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, rx := pair(t, ch)
	require.NoError(t, ch.Seal("a shutdown"))
	m := state.New(ch.View().Control)
	_, err := m.Move(m.Load(), state.Change{To: state.Error, Reason: "rollback: a shutdown"})
	require.NoError(t, err)
	done := false
	atPoint(t, "channel.recv.error", func() {
		done = true
		_, err := m.Move(m.Load(), state.Change{
			To: state.Recovering, Reason: "rollback: a shutdown",
		})
		require.NoError(t, err)
		_, err = m.Move(m.Load(), state.Change{
			To: state.Active, Reason: "rollback: a shutdown", Between: func() error {
				ch.Control().Tail.V.And(1<<63 - 1)
				return nil
			},
		})
		require.NoError(t, err)
	})
	_, err = rx.TryRecv()
	require.True(t, done)
	require.ErrorIs(t, err, channel.ErrEmpty)
	require.NoError(t, tx.Send(ctx, []byte("again")))
	msg, err := rx.Recv(ctx)
	require.NoError(t, err)
	msg.Release()
	require.NoError(t, ch.Close())
}
