package ring

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

// shapes are the geometries that twins run on.
var shapes = []layout.Params{
	params(1, 16, 0), params(1, 64, 4096), params(2, 32, 4096), params(4, 16, 0),
	params(8, 64, 4096), params(16, 64, 8192), params(64, 32, 4096), params(256, 64, 64<<10),
	stamped(1, 32, 4096), stamped(4, 64, 0), stamped(16, 128, 64<<10),
}

// stamped returns params with checksums and timestamps.
func stamped(slots uint64, size uint32, arena uint64) layout.Params {
	p := params(slots, size, arena)
	p.Options = layout.OptChecksums | layout.OptTimestamps
	return p
}

// A start is where a ring begins.
type start struct{ slot, arena uint64 }

// starts returns positions just below every wrap of p: none, of the slot field, of
// the lap tag, of the 40 bits of an intent, of the arena and of its field.
func starts(p layout.Params) []start {
	g, err := layout.NewGeometry(p)
	if err != nil {
		panic(err)
	}
	u := g.ArenaUnits
	return []start{
		{0, 0},
		{^uint64(0) - 2, 2*u - 3},
		{p.SlotCount<<26 - 3, u - 1},
		{1<<intentPosBits - 2, 2*u - 1},
		{^uint64(0), u - 2},
	}
}

func TestTwinDoesWhatTheRingDoes(t *testing.T) {
	rnd, _ := shmtest.Rand(t)
	length := 6000
	if testing.Short() {
		length = 600
	}
	for _, p := range shapes {
		for _, kind := range []uint32{layout.RingSPSC, layout.RingMPSC} {
			for _, at := range starts(p) {
				p.RingKind = kind
				senders := 1
				if kind == layout.RingMPSC {
					senders = 3
				}
				name := fmt.Sprintf("%dx%d+%d, %d senders, from %#x %#x",
					p.SlotCount, p.SlotSize, p.ArenaSize, senders, at.slot, at.arena)
				b := make([]byte, length)
				for i := range b {
					b[i] = byte(rnd.Uint32())
				}
				w, err := newTwin(p, at.slot, at.arena, senders, &script{b})
				require.NoError(t, err, name)
				require.NoError(t, w.run(), name)
			}
		}
	}
}

// TestTwinShrunk finds less than random bytes do, but shortens what it finds.
func TestTwinShrunk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(shapes).Draw(t, "shape")
		at := rapid.SampledFrom(starts(p)).Draw(t, "start")
		senders := rapid.IntRange(1, 3).Draw(t, "senders")
		steps := rapid.SliceOfN(rapid.Byte(), 0, 500).Draw(t, "script")
		w, err := newTwin(p, at.slot, at.arena, senders, &script{steps})
		require.NoError(t, err)
		require.NoError(t, w.run())
	})
}
