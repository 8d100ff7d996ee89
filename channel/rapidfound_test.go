package channel_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// Found by the machine: a drain that passed aborted slots itself, since there was no
// receiver, did not count them.
func TestDrainWithoutAReceiverCountsWhatItPasses(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 4})
	tx, err := ch.TrySender()
	require.NoError(t, err)
	for range 3 {
		l, err := tx.TryReserve(1)
		require.NoError(t, err)
		l.Abort()
	}
	require.NoError(t, ch.Drain(ctx, nil))
	require.EqualValues(t, 3, ch.Stats().Aborted)
}
