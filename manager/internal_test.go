package manager

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"shmring/channel"
)

func TestExponentialBackoffGrowsIsBoundedAndStops(t *testing.T) {
	e := Exponential{First: time.Millisecond, Most: 5 * time.Millisecond, Attempts: 6}
	for _, most := range []time.Duration{1, 2, 4, 5, 5} {
		d := e.NextBackOff()
		assert.LessOrEqual(t, d, most*time.Millisecond)
		assert.GreaterOrEqual(t, d, most*time.Millisecond/2)
	}
	assert.Equal(t, Stop, e.NextBackOff())
	long := Exponential{Attempts: 1000}
	for range 999 {
		d := long.NextBackOff()
		assert.Positive(t, d)
		assert.LessOrEqual(t, d, DefaultMostBackoff)
	}
}

func TestHistogramKeepsQuantilesWithinAFifth(t *testing.T) {
	for ns := uint64(0); ns < 1<<62; ns += ns/7 + 1 {
		b := bucketOf(ns)
		assert.GreaterOrEqual(t, limitOf(b), ns)
		assert.LessOrEqual(t, float64(limitOf(b)), 1.25*float64(ns)+1)
	}
	assert.Equal(t, len(histogram{}.buckets)-1, bucketOf(math.MaxUint64))
	var h histogram
	assert.Zero(t, h.read())
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	l := h.read()
	assert.Equal(t, uint64(1000), l.Count)
	assert.InEpsilon(t, 500*time.Microsecond, l.P50, 0.25)
	assert.InEpsilon(t, 990*time.Microsecond, l.P99, 0.25)
	assert.GreaterOrEqual(t, l.Max, time.Millisecond)
}

func TestHistogramCountsWhatIsBelowEachLimit(t *testing.T) {
	var h histogram
	limit := LatencyLimit(3)
	took := []time.Duration{0, limit - 1, limit, LatencyLimit(LatencyLimits - 1), time.Hour}
	sum := time.Duration(0)
	for _, d := range took {
		h.add(d)
		sum += d
	}
	l := h.read()
	assert.Equal(t, uint64(len(took)), l.Count)
	assert.Equal(t, sum, l.Sum)
	assert.Equal(t, [LatencyLimits]uint64{1, 1, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}, l.Below)
	assert.Greater(t, LatencyLimit(LatencyLimits-1), time.Minute)
}

func TestTransientIsWhatMayPass(t *testing.T) {
	assert.True(t, Transient(fmt.Errorf("x: %w", channel.ErrBusy)))
	assert.True(t, Transient(&channel.PeerError{}))
	assert.False(t, Transient(channel.ErrDraining))
	assert.False(t, Transient(fmt.Errorf("%w: %w", channel.ErrClosed, channel.ErrBusy)))
	assert.False(t, Transient(fmt.Errorf("%w: %w", context.DeadlineExceeded, channel.ErrBusy)))
	assert.False(t, Transient(nil))
}

func TestWordsForKindsAndOutcomes(t *testing.T) {
	for k := OpOpen; k < opKinds; k++ {
		assert.NotEqual(t, "unknown", k.String())
	}
	assert.Equal(t, "unknown", OpKind(0).String())
	for o := Succeeded; o <= Failed; o++ {
		assert.NotEqual(t, "unknown", o.String())
	}
	assert.Equal(t, "unknown", Outcome(0).String())
}

func TestTrendSaysWhenAQueueWillBeFull(t *testing.T) {
	var q trend
	at := time.Now()
	look := func(depth uint64) Health {
		h := Health{Status: Healthy, At: at, Depth: depth, Slots: 100}
		q.apply(&h)
		judge{&h}.trend()
		at = at.Add(time.Second)
		return h
	}
	assert.Empty(t, look(4).Reasons, "one look shows no rate")
	h := look(12)
	assert.InDelta(t, 8, h.Growth, 0.01)
	assert.Equal(t, 11*time.Second, h.FullIn)
	assert.Equal(t, Degraded, h.Status)
	assert.Equal(t, []string{"full in 11s at this rate"}, h.Reasons)
	for range 60 {
		h = look(12)
	}
	assert.Less(t, h.Growth, 0.1)
	assert.Empty(t, h.Reasons, "it stands still")
}

// Two looks a moment apart say little of what comes.
func TestTrendOfAMomentIsForgottenInAMoment(t *testing.T) {
	var q trend
	at := time.Now()
	for _, depth := range []uint64{0, 2, 0} {
		h := Health{Status: Healthy, At: at, Depth: depth, Slots: 4}
		q.apply(&h)
		at = at.Add(minGap)
	}
	h := Health{Status: Healthy, At: at.Add(time.Second), Slots: 4}
	q.apply(&h)
	judge{&h}.trend()
	assert.InDelta(t, 0, h.Growth, 0.01)
	assert.Empty(t, h.Reasons)
}
