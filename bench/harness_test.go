package bench

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shmring/internal/shmtest"
)

// Every benchmark is run with few messages, and has to say what a message cost.
func TestBenchmarksRunAndReport(t *testing.T) {
	defer goleak.VerifyNone(t)
	for name, g := range map[string]group{
		"RoundTrip": roundTrips, "Stream": streams, "Size": sizes(), "Bare": bares(),
		"Scale": scales(), "Floor": floors(t), "Peer": peers(t), "HTTP": https(),
		"GoChannel": goChannels(), "Alone": alones,
	} {
		runEach(t, name, g, func(t *testing.T, metrics map[string]float64) {
			t.Helper()
			if name != "Bare" {
				assert.Positive(t, metrics["cpu-ns/op"])
			}
		})
	}
}

// The workloads as well: of each kind the first in a short run.
func TestWorkloadsRunAndReport(t *testing.T) {
	defer goleak.VerifyNone(t)
	for name, g := range workloads() {
		if testing.Short() {
			g = g[:1]
		}
		runEach(t, name, g, func(t *testing.T, metrics map[string]float64) {
			t.Helper()
			_, timed := metrics["p50-ns"]
			_, paced := metrics["msg/s"]
			assert.True(t, timed || paced, "%v", metrics)
			if name != "W11" {
				assert.Positive(t, metrics["cpu-ns/op"])
			}
		})
	}
}

// runEach runs the bodies of a group with few messages.
func runEach(
	t *testing.T, name string, g group, check func(*testing.T, map[string]float64),
) {
	t.Helper()
	for _, c := range g {
		t.Run(name+"/"+c.name, func(t *testing.T) {
			few := c.few
			if few == 0 {
				few = 500
			}
			started, stopped := 0, 0
			metrics := map[string]float64{}
			c.body(&run{
				TB: t, n: few,
				start:  func() { started++ },
				stop:   func() { stopped++ },
				metric: func(v float64, unit string) { metrics[unit] = v },
				bytes:  func(int64) {},
				// One is enough: on a busy machine each takes its time.
				wantLine: c.name == "spin/two-words",
			})
			assert.Equal(t, 1, started, "timer started")
			assert.Equal(t, 1, stopped, "timer stopped")
			for unit, v := range metrics {
				assert.GreaterOrEqual(t, v, 0.0, unit)
			}
			check(t, metrics)
		})
	}
}

func TestPeerWithoutABodyFails(t *testing.T) {
	shmtest.Watchdog(t, watchdog)
	c := shmtest.Start(t, peerName, `{"Kind":"nobody"}`)
	require.ErrorContains(t, c.Wait(), "no peer")
}

func TestPayloadWithAnyByteWrongIsFound(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int
		fill  func([]byte, uint64)
		check func([]byte, uint64) bool
	}{
		{"8 bytes", wordBytes, fill8, check8},
		{"32 bytes", smallSize, fill32, check32},
		{"in place, a word", wordBytes, fillLong, checkLong},
		{"in place, part of a page", 200, fillLong, checkLong},
		{"in place, pages and a part", 2*patternBytes + 24, fillLong, checkLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 1<<senderShift | 4711
			b := make([]byte, c.size)
			c.fill(b, n)
			require.True(t, c.check(b, n))
			assert.False(t, c.check(b, n+1), "another number")
			for i := range b {
				b[i]++
				assert.False(t, c.check(b, n), "byte %d", i)
				b[i]--
			}
		})
	}
}

func TestNextMessageOfASenderIsTheOnlyOneTaken(t *testing.T) {
	var d due
	b := make([]byte, smallSize)
	for _, step := range []struct {
		sender, n uint64
		sound     bool
	}{
		{0, 0, true},
		{3, 0, true},
		{0, 0, false}, // twice
		{0, 2, false}, // one lost
		{0, 1, true},
		{3, 1, true},
		{maxSenders, 0, false},
	} {
		fill32(b, step.sender<<senderShift|step.n)
		assert.Equal(t, step.sound, d.next(b), "message %d of sender %d", step.n, step.sender)
	}
}
