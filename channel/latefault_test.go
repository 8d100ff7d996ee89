//go:build fault

package channel_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
)

func TestDeathStaysOnRecordWhileAControllerLeavesThePlace(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	row := &ch.View().Participants[layout.PlaceReceiver]
	row.DeadRole.Store(uint32(layout.RoleReceiver))
	row.Dead.Store(7)
	ch.Control().Poison.Code.Store(uint32(layout.PoisonCommit))
	found := uint64(0)
	atPoint(t, "channel.unclaim.unlocked", func() { found = row.Dead.Load() })
	require.NoError(t, mend(ctx, ch))
	require.EqualValues(t, 7, found, "a kill here forgets the death for ever")
}
