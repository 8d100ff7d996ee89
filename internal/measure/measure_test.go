package measure

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/shmtest"
)

func TestMain(m *testing.M) {
	shmtest.Main(m, map[string]shmtest.ChildFunc{"now": func(c *shmtest.Conn, _ []string) error {
		c.Hear()
		c.Say("%d", Now())
		return nil
	}})
}

func TestClockIsThatOfTheKernel(t *testing.T) {
	for range 1000 {
		before := Now()
		var ts unix.Timespec
		require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts))
		after := Now()
		require.LessOrEqual(t, before, ts.Nano())
		require.LessOrEqual(t, ts.Nano(), after)
	}
}

func TestDueTimesDoNotDependOnWhatWasSent(t *testing.T) {
	p := Plan{Every: time.Millisecond, Batch: 8, Start: 1000}
	assert.True(t, p.Paced())
	assert.EqualValues(t, 1000, p.Due(0))
	assert.EqualValues(t, 1000, p.Due(7))
	assert.EqualValues(t, 1_001_000, p.Due(8))
	assert.EqualValues(t, 3_001_000, p.Due(31))
	assert.EqualValues(t, 5_001_000, Plan{Every: time.Millisecond, Start: 1000}.Due(5))
	assert.False(t, Plan{}.Paced())
}

func TestNobodyWaitsForLessThanTheDueTime(t *testing.T) {
	for _, every := range []time.Duration{10 * time.Microsecond, time.Millisecond} {
		p := Plan{Every: every, Start: Now()}
		for n := range uint64(10) {
			p.Await(n)
			require.GreaterOrEqual(t, Now(), p.Due(n))
		}
	}
	Plan{Start: Now() + int64(time.Hour)}.Await(1) // flat out: no wait
}

func TestPayloadWithAnyByteWrongIsFound(t *testing.T) {
	for _, size := range []int{8, 16, 24, 32, 200, 2*pattern + 40} {
		b := make([]byte, size)
		n := Number(1, 4711)
		Fill(b, n, 123456789)
		require.True(t, Sound(b, n), "%d bytes", size)
		number, stamp := Peek(b)
		assert.Equal(t, n, number)
		if size >= StampedSize {
			assert.EqualValues(t, 123456789, stamp)
		}
		assert.False(t, Sound(b, n+1), "another number")
		assert.False(t, Sound(b[:size-1], n) && size == MinSize, "too short")
		for i := range b {
			b[i]++
			require.False(t, Sound(b, n), "%d bytes, byte %d", size, i)
			b[i]--
		}
	}
}

func TestPercentilesNeedTimesBeyondThem(t *testing.T) {
	names := func(count int) (all []string) {
		l := NewLatency()
		for i := range count {
			l.Record(int64(i))
		}
		for _, p := range l.Percentiles() {
			all = append(all, p.Name)
		}
		return all
	}
	assert.Empty(t, names(0))
	assert.Equal(t, []string{"p50", "max"}, names(99))
	assert.Equal(t, []string{"p50", "p90", "p99", "max"}, names(1000))
	assert.Equal(t, []string{"p50", "p90", "p99", "p99.9", "max"}, names(10_000))
}

func TestTimesOutOfRangeCountAsTheEnds(t *testing.T) {
	l, o := NewLatency(), NewLatency()
	l.Record(-5)
	o.Record(int64(48 * time.Hour))
	l.Add(o)
	assert.EqualValues(t, 2, l.Count())
	p := l.Percentiles()
	assert.InEpsilon(t, int64(time.Hour), p[len(p)-1].NS, 0.001)
}

func TestSpendingGrowsAndIsTakenApart(t *testing.T) {
	calls := uint64(3)
	before := Spent(func() uint64 { return calls })
	calls = 10
	for range 1000 {
		_ = Now()
	}
	used := Spent(func() uint64 { return calls }).Minus(before)
	assert.EqualValues(t, 7, used.Syscalls)
	assert.Positive(t, used.CPU)
	assert.Equal(t, 2*used.CPU, used.Plus(used).CPU)
	assert.Positive(t, ClockCost())
}

// One clock for all: what a child reads between two readings of ours lies between them.
func TestProcessesShareTheClock(t *testing.T) {
	c := shmtest.Start(t, "now")
	before := Now()
	c.Say("go")
	line, ok := c.Hear()
	after := Now()
	require.True(t, ok)
	require.NoError(t, c.Wait())
	theirs, err := time.ParseDuration(line + "ns")
	require.NoError(t, err)
	assert.Less(t, before, int64(theirs))
	assert.Less(t, int64(theirs), after)
}

func TestPinnedProcessRunsOnThatCoreOnly(t *testing.T) {
	all := Cores()
	require.NotEmpty(t, all)
	unpin, err := Pin(all[len(all)-1])
	require.NoError(t, err)
	assert.Equal(t, all[len(all)-1:], Cores())
	unpin()
	assert.Equal(t, all, Cores())
	unpin, err = Pin(AnyCore)
	require.NoError(t, err)
	assert.Equal(t, all, Cores())
	unpin()
}

func TestMachineSaysWhatFiguresAreWorthNothingWithout(t *testing.T) {
	facts := append(Machine(), Moment()...)
	var keys []string
	for _, f := range facts {
		keys = append(keys, f.Key)
		assert.NotEmpty(t, f.Value, f.Key)
		assert.NotContains(t, f.Value, "\n")
	}
	for _, key := range []string{"kernel", "go", "cores", "date"} {
		assert.Contains(t, keys, key)
	}
	name, err := os.Hostname()
	require.NoError(t, err)
	for _, f := range facts {
		assert.NotEqual(t, name, f.Value, "%s is nobody's business", f.Key)
	}
}
