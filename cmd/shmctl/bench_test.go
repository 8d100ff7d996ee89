package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// someResult is a result in which nothing is zero.
func someResult() *benchResult {
	return &benchResult{
		benchCase: benchCase{
			Mode: benchStream, Kind: "spsc", Size: 32, Batch: 8, Rate: 1000, Wait: "adaptive",
		},
		Messages: 2000, Elapsed: 2 * time.Second, Each: 1e6, Rate: 1000, Bytes: 32_000,
		Latency: []benchPoint{{50, 900, "p50"}, {99, 12_345, "p99"}, {100, 50_000, "max"}},
		CPU:     1500, Calls: 0.25, Switches: 0.5, Mallocs: 0.125,
	}
}

func TestBenchLineIsInTheFormatOfGoBenchmarks(t *testing.T) {
	line := someResult().line()
	name, values, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
	require.True(t, ok)
	assert.Equal(t, "BenchmarkShmctl/stream/spsc/size=32/batch=8/rate=1000/adaptive", name)
	fields := strings.Fields(values)
	assert.Equal(t, "2000", fields[0])
	assert.Equal(t, 1, len(fields)%2, "pairs of value and unit follow: %s", line)
	for _, pair := range []string{
		"1000000.00 ns/op", "900 p50-ns", "50000 max-ns", "1500.00 cpu-ns/op",
		"0.2500 syscalls/op",
	} {
		assert.Contains(t, values, pair)
	}
}

func TestBenchTableHasNoPercentileThatWasNotMeasured(t *testing.T) {
	var out bytes.Buffer
	s := newBenchShow(&app{stdout: &out}, false, io.Discard)
	require.NoError(t, s.add(someResult()))
	require.NoError(t, s.end())
	heads, row, _ := strings.Cut(out.String(), "\n")
	at := strings.Index(heads, "P99.9") + len("P99.9") - 1
	assert.Equal(t, '-', []rune(row)[at], out.String())
	assert.Contains(t, row, "900ns")
	assert.Contains(t, row, "12.34")
}

func TestBenchMakesACaseOfEachCombination(t *testing.T) {
	o := benchOptions{
		modes: []string{benchStream, benchTrip}, kinds: []string{"spsc", "mpsc"},
		waits: []string{"park", "spin"}, sizes: []string{"32", "4K"}, batches: []int{1, 32},
		rates: []float64{0, 100}, time: time.Second,
	}
	cases, err := o.cases()
	require.NoError(t, err)
	assert.Len(t, cases, 2*2*2*2*2+2*2*2*2, "a round trip has no batches")
	names := map[string]bool{}
	for _, c := range cases {
		names[c.name()] = true
	}
	assert.Len(t, names, len(cases), "no two have one name")
	assert.Equal(t, 320*time.Millisecond, benchCase{Batch: 32, Rate: 100}.every())
}
