package ring

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzOps lets the fuzzer write the script of a twin run: the first two bytes choose
// the geometry and the start, the rest what is done.
func FuzzOps(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 3 * len(shapes) {
		b := make([]byte, 400)
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		b[0] = byte(i)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 || len(b) > 1<<14 {
			return
		}
		p := shapes[int(b[0])%len(shapes)]
		at := starts(p)
		from := at[int(b[1])%len(at)]
		w, err := newTwin(p, from.slot, from.arena, 1+int(b[1]>>4)%3, &script{b[2:]})
		require.NoError(t, err)
		require.NoError(t, w.run())
	})
}

// FuzzConsumer lets the fuzzer write everything: the bytes of the ring and the words that
// rule it, then a script of calls.
func FuzzConsumer(f *testing.F) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 3 * len(shapes) {
		ring, calls := make([]byte, 600), make([]byte, 300)
		for j := range ring {
			ring[j] = byte(rnd.Uint32())
		}
		for j := range calls {
			calls[j] = byte(rnd.Uint32())
		}
		f.Add(byte(i), ring[:200*(i%4)], calls)
	}
	f.Fuzz(func(t *testing.T, shape byte, ring, calls []byte) {
		if len(calls) > 1<<12 {
			return
		}
		p := shapes[int(shape)%len(shapes)]
		at := starts(p)
		x, err := newVictim(p, at[int(shape>>4)%len(at)])
		require.NoError(t, err)
		s := &script{calls}
		for range 8 {
			require.NoError(t, x.step(s.below))
		}
		for _, w := range []*atomic.Uint64{x.r.tail, x.r.head, &x.r.rows[2].Intent} {
			if len(ring) >= 9 && ring[0]&1 != 0 {
				w.Store(binary.LittleEndian.Uint64(ring[1:]))
				ring = ring[9:]
			}
		}
		copy(x.v.Slots, ring)
		for len(s.b) > 0 {
			require.NoError(t, x.step(s.below))
		}
	})
}
