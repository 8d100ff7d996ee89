package ring

import (
	"math/rand/v2"
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
