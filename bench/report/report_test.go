package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const output = `kernel: 6.18
go: go1.26
goos: linux
cpu: Some CPU
BenchmarkBare/spin/two-words-2   	 100	 100.0 ns/op	 25 clock-ns	 0 B/op
BenchmarkBare/spin/two-words-2   	 100	 120.0 ns/op	 25 clock-ns	 0 B/op
BenchmarkBare/spin/two-words-2   	 100	 900.0 ns/op	 25 clock-ns	 0 B/op
BenchmarkBare/memcpy/1MiB-2      	 100	 200.0 ns/op	 5000 MB/s
BenchmarkRoundTrip/spin/spsc-32B-2   	 100	 240.0 ns/op	 300 p50-ns	 0.0001 syscalls/op
BenchmarkSize/copy/1MiB-2      	 100	 100.0 ns/op	 4000 MB/s
BenchmarkSize/copy/1MiB-2      	 100	 100.0 ns/op	 6000 MB/s
BenchmarkSize/copy/8B-2      	 100	 100.0 ns/op	 4000 MB/s
--- BENCH: something else
PASS
`

func report(t *testing.T, in string) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, run(nil, strings.NewReader(in), &out))
	return out.String()
}

func TestRatiosAreOfMediansAndOfTheSameSize(t *testing.T) {
	got := report(t, output)
	assert.Contains(t, got,
		"| round trip, both spin | 240 ns | spin/two-words | 120 ns | 2.00 |\n")
	assert.Contains(t, got,
		"| copied in and out 1MiB | 5000 MB/s | memcpy/1MiB | 5000 MB/s | 1.00 |\n")
	assert.NotContains(t, got, "copied in and out 8B", "nothing to compare it with")
	assert.NotContains(t, got, "both sleep")
}

func TestMachineAndRunsAreNamed(t *testing.T) {
	assert.True(t, strings.HasPrefix(report(t, output),
		"cpu: Some CPU; goos: linux; kernel: 6.18; go: go1.26; runs: 3, of which the medians.\n"+
			"Percentiles include one reading of the clock, 25.0 ns.\n"))
}

func TestRunsWithCoresFarApartAreLeftOut(t *testing.T) {
	got := report(t, `
BenchmarkA-2   	 100	 50.0 ns/op	 100 line-ns
BenchmarkA-2   	 100	 90.0 ns/op	 500 line-ns
BenchmarkA-2   	 100	 60.0 ns/op	 140 line-ns
BenchmarkB-2   	 100	 70.0 ns/op	 400 line-ns
BenchmarkC-2   	 100	 80.0 ns/op
`)
	assert.Contains(t, got, "Left out: 1 runs with the cores far apart.\n")
	assert.Contains(t, got, "With the cores far apart every time: B.\n")
	assert.Contains(t, got, "| A | 55.0 (50.0–60.0) |")
	assert.Contains(t, got, "| B | 70.0 |")
	assert.Contains(t, got, "| C | 80.0 |")
}

func TestEveryBenchmarkHasARowWithItsSpan(t *testing.T) {
	got := report(t, output)
	assert.Contains(t, got, "| Bare/spin/two-words | 120 (100–900) |")
	assert.Contains(t, got, "| RoundTrip/spin/spsc-32B | 240 | | 300 | | | | 0 | | | |\n")
}

func TestInputWithoutResultsIsRefused(t *testing.T) {
	require.Error(t, run(nil, strings.NewReader("PASS\n"), &strings.Builder{}))
	require.Error(t, run([]string{"/does/not/exist"}, nil, &strings.Builder{}))
	require.Error(t, run(nil, strings.NewReader("BenchmarkX 1 x ns/op\n"), &strings.Builder{}))
}
