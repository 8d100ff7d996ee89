//go:build linux && fault

package channel_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
)

// TestReceiverThatFindsDamageAsTheMemoryGoesIsTold has the file cut while somebody who takes the
// role tells others of damage that he found.
func TestReceiverThatFindsDamageAsTheMemoryGoesIsTold(t *testing.T) {
	bearable(t, "truncate")
	begin(t)
	ch, err := channel.Create(t.Context(), "q", damageOptions)
	require.NoError(t, err)
	ch.Control().Head.V.Or(1 << 63)
	fault.SetHook(func(name string) {
		if name == "channel.poison.told" {
			require.NoError(t, os.Truncate(ch.Path(), 0))
		}
	})
	_, err = ch.TryReceiver()
	fault.SetHook(nil)
	require.ErrorIs(t, err, channel.ErrFault)
	_ = ch.Close() // its memory is gone
	require.NoError(t, os.Remove(ch.Path()))
}
