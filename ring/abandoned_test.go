package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAbandonedCountsWhatNobodyLivingIsFilling(t *testing.T) {
	everybody := func(int) bool { return true }
	for _, d := range deaths() {
		r, _ := newRing(t, params(8, 32, 4096))
		r.Init(1<<40-2, 0) // across the wrap of what an intent names
		require.Zero(t, r.Abandoned(nobody))
		living := r.NewProducer(3)
		require.NoError(t, living.Send([]byte("before")))
		d.do(r.NewProducer(2))
		_, err := living.Reserve(1)
		require.NoError(t, err)
		require.Zero(t, r.Abandoned(everybody), d.name)
		require.EqualValues(t, d.holes,
			r.Abandoned(func(place int) bool { return place == 3 }), d.name)
		require.EqualValues(t, d.holes+1, r.Abandoned(nobody), d.name)
	}
}
