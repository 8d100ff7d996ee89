//go:build fault

package channel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/fault"
)

// A slow reader may still look at a buffer that is written again: its header says so before
// the first word of the value changes.
func TestHeaderIsTakenBackBeforeTheValueChanges(t *testing.T) {
	c, _ := heapCell(t, 8)
	w := newCellWriter(c, 2)
	seen := 0
	fault.SetHook(func(point string) {
		if point == "channel.event.half" {
			seen++
			require.Zero(t, c.buffers[w.first+w.last].Header.Load())
		}
	})
	defer fault.SetHook(nil)
	for range 10 {
		_, err := w.publish([]byte("sixteen bytes of"))
		require.NoError(t, err)
	}
	require.Equal(t, 10, seen)
}
