package channel

import (
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
