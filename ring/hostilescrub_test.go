package ring

import (
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

// Every slot names the same half of the arena, and no checksum is right but the last one's:
// a scrub does not read that half once for each.
func TestScrubReadsOverlappingRunsOnlySoOften(t *testing.T) {
	const slots, arena = 16, 4096
	p := stamped(slots, 64, arena)
	r, _ := newRing(t, p)
	tx := r.NewProducer(2)
	for range slots {
		require.NoError(t, tx.Send([]byte("small")))
	}
	r.tail.Store(r.pack(slots, arena/layout.ArenaUnit))
	r.Seal()
	for i := range slotPos(slots) {
		c := r.cell(i)
		c.commit().Store(uint64(r.commitWord(i, layout.SlotArena, arena/2)))
		c.set(r.payloadOff, uint64(layout.NewReference(0, arena/2/layout.ArenaUnit)))
		c.set(r.checksumOff, 1)
	}
	last := r.cell(slots - 1)
	last.set(r.checksumOff, xxhash.Sum64(make([]byte, arena/2)))
	n, err := newConsumer(t, r).Scrub()
	require.NoError(t, err)
	require.Equal(t, slots, n, "the last one is whole, but nobody reads the arena so often")
}
