package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The numbers are invented: they say nothing about anything.
const output = `kernel: 6.18
cpu: Some CPU
BenchmarkRoundTrip/spin/spsc-32B-2	100	200 ns/op	210 p50-ns	220 p90-ns	300 p99-ns
BenchmarkRoundTrip/spin/spsc-32B-2	100	200 ns/op	230 p50-ns	220 p90-ns	300 p99-ns
BenchmarkBare/park/futex-2	100	200 ns/op	20000 p50-ns	22000 p90-ns
BenchmarkSize/copy/1MiB-2	100	9 ns/op	300 MB/s
BenchmarkSize/copy/32B-2	100	9 ns/op	100 MB/s
BenchmarkSize/copy/1KiB-2	100	9 ns/op	200 MB/s
BenchmarkScale/rate/park/100-2	100	9 ns/op	0.5 receiver-cpu-%
BenchmarkScale/rate/park/10-2	100	9 ns/op	0.25 receiver-cpu-%
`

func inputs(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func TestPicturesAreDrawn(t *testing.T) {
	dir := inputs(t, map[string]string{"a.txt": output, "machine.txt": "cpu: Some CPU\n"})
	for _, kind := range []string{"svg", "png"} {
		require.NoError(t, run([]string{"-in", dir, "-out", dir, "-kind", kind}, io.Discard))
		for _, p := range pictures {
			info, err := os.Stat(filepath.Join(dir, p.name+"."+kind))
			require.NoError(t, err)
			assert.Positive(t, info.Size(), "%s", p.name)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "latency.svg"))
	require.NoError(t, err)
	for _, want := range []string{"shmring, spin", "futex", "Some CPU, 6.18", "p99", "10 µs"} {
		assert.Contains(t, string(text), want)
	}
}

func TestLinesAreMediansInOrder(t *testing.T) {
	set, err := read(inputs(t, map[string]string{"a.txt": output}))
	require.NoError(t, err)
	lines := latencies(set)
	require.Len(t, lines, 2, "what was not measured is not drawn")
	assert.Equal(t, "shmring, spin", lines[0].label)
	require.Len(t, lines[0].points, 3)
	assert.InDelta(t, 220, lines[0].points[0].Y, 0)
	lines = throughputs(set)
	require.Len(t, lines, 1)
	require.Len(t, lines[0].points, 3)
	assert.InDelta(t, 32, lines[0].points[0].X, 0)
	assert.InDelta(t, 1024, lines[0].points[1].X, 0)
	assert.InDelta(t, 1<<20, lines[0].points[2].X, 0)
	lines = spendings(set)
	require.Len(t, lines, 1)
	assert.InDelta(t, 10, lines[0].points[0].X, 0)
}

func TestRunsOnOneCoreAreNotMixedIn(t *testing.T) {
	set, err := read(inputs(t, map[string]string{"one-core.txt": output}))
	require.NoError(t, err)
	assert.Empty(t, set.Names)
}

func TestInputWithNothingToDrawIsRefused(t *testing.T) {
	dir := inputs(t, map[string]string{"a.txt": "PASS\n"})
	require.Error(t, run([]string{"-in", dir, "-out", dir}, io.Discard))
	require.Error(t, run([]string{"-what"}, io.Discard))
	dir = inputs(t, map[string]string{"a.txt": "BenchmarkX 1 x ns/op\n"})
	require.Error(t, run([]string{"-in", dir, "-out", dir}, io.Discard))
}

func TestMarksAreSpelledAsPeopleDo(t *testing.T) {
	assert.Equal(t, "p50", percentileTicks.spell(2))
	assert.Equal(t, "p99.9", percentileTicks.spell(1000))
	assert.Equal(t, "p99.99", percentileTicks.spell(10_000))
	assert.Equal(t, "4 KiB", spellSize(4096))
	assert.Equal(t, "10 µs", spellTime(10_000))
	assert.Equal(t, "1 s", spellTime(1e9))
	assert.NotEmpty(t, powerTicks.Ticks(3, 4), "an axis without a mark is an error")
}
