package results

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func set(t *testing.T, text string) *Set {
	t.Helper()
	s := New()
	require.NoError(t, s.Read(strings.NewReader(text)))
	return s
}

func TestOutputOfBenchmarksIsRead(t *testing.T) {
	s := set(t, `kernel: 6.18
BenchmarkB/x-2   	 100	 100.0 ns/op	 25 p50-ns
something else
BenchmarkA-2   	 100	 7 ns/op
BenchmarkB/x-2   	 100	 300.0 ns/op
BenchmarkB/x-2   	 100	 110.0 ns/op
`)
	assert.Equal(t, []string{"B/x", "A"}, s.Names)
	assert.Equal(t, "6.18", s.Config["kernel"])
	v, ok := s.Median("B/x", NsPerOp)
	assert.True(t, ok)
	assert.InDelta(t, 110, v, 0)
	v, ok = s.Median("B/x", "p50-ns")
	assert.True(t, ok)
	assert.InDelta(t, 25, v, 0, "of the runs that have it")
	_, ok = s.Median("A", "p50-ns")
	assert.False(t, ok)
	assert.Equal(t, []float64{100, 110, 300}, s.Of("B/x", NsPerOp))
}

func TestNumberAtTheEndOfANameIsKeptWithOneProcessor(t *testing.T) {
	s := set(t, `
BenchmarkA/batch-32	1	10 ns/op
BenchmarkA/batch-1	1	10 ns/op
`)
	assert.Equal(t, []string{"A/batch-32", "A/batch-1"}, s.Names)
}

func TestNumberThatIsNoneIsRefused(t *testing.T) {
	require.Error(t, New().Read(strings.NewReader("BenchmarkX 1 x ns/op\n")))
}

func TestRunsAreParted(t *testing.T) {
	near, far := set(t, `
BenchmarkA-2 1 10 ns/op 100 line-ns
BenchmarkA-2 1 50 ns/op 160 line-ns
BenchmarkB-2 1 1 ns/op
`).Split()
	assert.Equal(t, []string{"A", "B"}, near.Names)
	assert.Equal(t, []string{"A"}, far.Names)
	assert.Equal(t, []float64{50}, far.Of("A", NsPerOp))
}

func TestOneShortWayMakesNotAllOthersFar(t *testing.T) {
	s := New()
	text := "BenchmarkA-2 1 10 ns/op 50 line-ns\n" +
		strings.Repeat("BenchmarkA-2 1 10 ns/op 100 line-ns\n", 30) +
		"BenchmarkA-2 1 50 ns/op 500 line-ns\n"
	require.NoError(t, s.Read(strings.NewReader(text)))
	near, far := s.Split()
	assert.Len(t, near.Runs["A"], 31)
	assert.Len(t, far.Runs["A"], 1)
}
