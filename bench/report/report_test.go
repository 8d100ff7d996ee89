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

func reported(t *testing.T, in string) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, run(nil, strings.NewReader(in), &out))
	return out.String()
}

func TestRatiosAreOfMediansAndOfTheSameSize(t *testing.T) {
	got := reported(t, output)
	assert.Contains(t, got,
		"| round trip, both spin | 240 ns | spin/two-words | 120 ns | 2.00 |\n")
	assert.Contains(t, got,
		"| copied in and out 1MiB | 5000 MB/s | memcpy/1MiB | 5000 MB/s | 1.00 |\n")
	assert.NotContains(t, got, "copied in and out 8B", "nothing to compare it with")
	assert.NotContains(t, got, "both sleep")
}

func TestMachineIsNamed(t *testing.T) {
	assert.True(t, strings.HasPrefix(reported(t, output),
		"cpu: Some CPU; goos: linux; kernel: 6.18; go: go1.26.\n"+
			"Percentiles include one reading of the clock, 25.0 ns.\n"))
}

func TestRunsWithCoresFarApartAreNeverComparedWithOthers(t *testing.T) {
	near, far, found := strings.Cut(reported(t, `
BenchmarkBare/spin/two-words-2   	 100	 100 ns/op	 100 line-ns
BenchmarkBare/spin/two-words-2   	 100	 500 ns/op	 500 line-ns
BenchmarkBare/memcpy/1MiB-2     	 100	 500 ns/op	 7 MB/s	 140 line-ns
BenchmarkRoundTrip/spin/spsc-32B-2   	 100	 800 ns/op	 600 line-ns
BenchmarkRoundTrip/spin/spsc-32B-2   	 100	 200 ns/op	 149 line-ns
BenchmarkSize/copy/1MiB-2       	 100	 500 ns/op	 7 MB/s	 151 line-ns
BenchmarkBare/harness-2         	 100	 3 ns/op
`), "### Cores far apart")
	require.True(t, found)
	assert.Contains(t, near, "| round trip, both spin | 200 ns | spin/two-words | 100 ns | 2.00 |")
	assert.Contains(t, far, "| round trip, both spin | 800 ns | spin/two-words | 500 ns | 1.60 |")
	assert.NotContains(t, near+far, "copied in and out", "near and far")
	assert.Contains(t, near, "| Bare/harness | 1 | 3.00 |")
}

func TestEveryBenchmarkHasARowWithItsSpan(t *testing.T) {
	got := reported(t, output)
	assert.Contains(t, got, "| Bare/spin/two-words | 3 | 120 (100–900) |")
	assert.Contains(t, got, "| RoundTrip/spin/spsc-32B | 1 | 240 | | | 300 | | | | | 0 | | | |\n")
}

func TestInputWithoutResultsIsRefused(t *testing.T) {
	require.Error(t, run(nil, strings.NewReader("PASS\n"), &strings.Builder{}))
	require.Error(t, run([]string{"/does/not/exist"}, nil, &strings.Builder{}))
	require.Error(t, run(nil, strings.NewReader("BenchmarkX 1 x ns/op\n"), &strings.Builder{}))
}
