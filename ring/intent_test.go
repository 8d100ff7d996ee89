package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIntentCoversItsSlotsAndNoOthers(t *testing.T) {
	const wrap = 1 << intentPosBits
	for _, pos := range []uint64{0, 1, wrap - 3, wrap - 1, 1<<63 - 2, ^uint64(0)} {
		for _, n := range []int{1, 2, 3, 256, 1 << 22} {
			w := IntentOf(pos, n)
			first, count, ok := IntentRange(w)
			require.True(t, ok)
			require.Equal(t, pos&intentPosMask, first)
			require.Equal(t, uint64(n), count)
			for _, off := range []int{-1, 0, 1, n / 2, n - 1, n, n + 1} {
				require.Equal(t, off >= 0 && off < n, Covers(w, pos+uint64(off)),
					"slot %d of %d from %#x", off, n, pos)
			}
		}
	}
}

func TestIntentOfNothingCoversNothing(t *testing.T) {
	for _, w := range []uint64{
		0, IntentOf(5, 0), IntentOf(5, 3) &^ intentValid, intentPosMask, intentValid,
	} {
		_, _, ok := IntentRange(w)
		require.False(t, ok, "%#x", w)
		for pos := range uint64(8) {
			require.False(t, Covers(w, pos), "%#x", w)
		}
	}
}

func TestDisownSparesAReservation(t *testing.T) {
	r, v := newRing(t, params(4, 64, 0))
	p, intent := r.NewProducer(1), &v.Participants[1].Intent
	_, err := p.Reserve(1)
	require.NoError(t, err)
	shown := intent.Load()
	p.Disown()
	require.Equal(t, shown, intent.Load())
	require.NotZero(t, shown)
	p.Abort()
	intent.Store(shown) // as a recovery may
	p.Disown()
	require.Zero(t, intent.Load())
}
