package channel

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLooksOfALongWaitBecomeRare(t *testing.T) {
	looks := func(minute int) (n int) {
		began := time.Now()
		age, end := time.Duration(0), time.Duration(minute)*time.Minute
		for begin := end - time.Minute; age < end; {
			age += idleSlice(began.Add(-age)).Truncate(time.Second)
			if age > begin && age <= end {
				n++
			}
		}
		return n
	}
	require.Equal(t, 6, looks(1)) // at 2, 4, 8 and 16 s, then each 16 s
	require.LessOrEqual(t, looks(60), 4)
	require.Equal(t, longSlice, idleSlice(time.Now().Add(time.Hour)), "a clock that was put back")
}

func TestYieldLooksAFewTimesAndNeverForWhoShallSleepAtOnce(t *testing.T) {
	fault := errors.New("no memory")
	for _, c := range []struct {
		spin time.Duration
		end  int // the look that ends it
		err  error
		most int // looks; fewer on a busy machine
	}{
		{spin: -1, end: 1, most: 0},
		{spin: 0, end: 1, most: 1},
		{spin: time.Second, end: 3, most: 3},
		{spin: 0, end: 2, err: fault, most: 2},
		{spin: 0, end: 1 << 30, most: maxYields},
	} {
		ch, g, looks := &Channel{}, &gate{}, 0
		ch.opts.Spin = c.spin
		require.NoError(t, g.enter(t.Context()))
		done, err := ch.yield(g, func() (bool, error) {
			looks++
			if looks < c.end {
				return false, nil
			}
			return c.err == nil, c.err
		})
		require.LessOrEqual(t, looks, c.most)
		require.Equal(t, c.most == 0, looks == 0)
		require.Equal(t, looks == c.end && c.err == nil, done)
		require.Equal(t, looks == c.end && c.err != nil, err != nil)
		g.leave()
	}
}
