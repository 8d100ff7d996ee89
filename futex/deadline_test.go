//go:build linux

package futex

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDeadlineAfterIsNeverNever(t *testing.T) {
	for _, d := range []time.Duration{
		0, 1, -1, time.Hour, -time.Hour, math.MaxInt64, math.MinInt64, -time.Duration(Now()),
	} {
		got := After(d)
		assert.Positive(t, int64(got), "After(%d)", int64(d))
		if d <= 0 {
			assert.True(t, got.Passed(), "After(%d)", int64(d))
		}
	}
	assert.False(t, After(math.MaxInt64).Passed())
	assert.GreaterOrEqual(t, After(time.Hour), Now()+Deadline(59*time.Minute))
}

func TestDeadlineAt(t *testing.T) {
	assert.Equal(t, Never, At(time.Time{}))
	assert.True(t, At(time.Unix(0, 0)).Passed())
	assert.True(t, At(time.Now().Add(-time.Second)).Passed())
	assert.False(t, At(time.Now().Add(time.Hour)).Passed())
	assert.False(t, At(time.Now().AddDate(200, 0, 0)).Passed())
}

func TestDeadlineEarlier(t *testing.T) {
	for _, c := range []struct{ a, b, want Deadline }{
		{Never, Never, Never},
		{Never, 5, 5},
		{5, Never, 5},
		{5, 6, 5},
		{6, 5, 5},
		{-1, 5, -1},
		{Never, -1, -1},
	} {
		assert.Equal(t, c.want, c.a.Earlier(c.b), "%d.Earlier(%d)", c.a, c.b)
	}
}

func TestDeadlinePassed(t *testing.T) {
	assert.False(t, Never.Passed())
	assert.True(t, Deadline(1).Passed())
	assert.True(t, Deadline(-1).Passed())
	assert.True(t, Now().Passed(), "the present moment is over")
	assert.False(t, Deadline(math.MaxInt64).Passed())
}

func TestNowDoesNotGoBack(t *testing.T) {
	last := Now()
	for range 1000 {
		now := Now()
		assert.GreaterOrEqual(t, now, last)
		last = now
	}
}
