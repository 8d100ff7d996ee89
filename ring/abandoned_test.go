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

// Whether a place is held is a question to the kernel, and intents may cover everything.
func TestAbandonedAsksOnceForEachPlace(t *testing.T) {
	const slots = 64
	r, v := newRing(t, params(slots, 32, 0))
	for range slots {
		_, err := r.NewProducer(2).Reserve(1)
		require.NoError(t, err)
	}
	for place := range v.Participants {
		v.Participants[place].Intent.Store(IntentOf(0, slots))
	}
	asked := 0
	holes := r.Abandoned(func(int) bool { asked++; return false })
	require.EqualValues(t, slots, holes)
	require.LessOrEqual(t, asked, len(v.Participants))
}
