package evidence

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSizeIsTheDefaultUnlessTheEnvironmentSaysMore(t *testing.T) {
	assert.Equal(t, 7, Size(t, "evidence_test", 7))
	t.Setenv("SHMRING_EVIDENCE_TEST", "100000")
	assert.Equal(t, 100_000, Size(t, "evidence_test", 7))
}

func TestRecordIsWrittenWhereItIsAskedFor(t *testing.T) {
	dir := t.TempDir()
	r := Record{
		Name: "some", Title: "something was tried", Guarantees: []string{"G1"},
		Seed: 3, Counts: map[string]int64{"kills": 4, "lost": 0},
		Millis: Quantiles([]time.Duration{3 * time.Millisecond, time.Millisecond}),
	}
	t.Setenv(DirVar, "")
	Write(t, time.Now(), r)
	t.Setenv(DirVar, dir)
	Write(t, time.Now(), r)

	text, err := os.ReadFile(filepath.Join(dir, "some.json"))
	require.NoError(t, err)
	var got Record
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, r.Counts, got.Counts)
	assert.Equal(t, map[string]float64{"p50": 3, "p99": 3, "max": 3}, got.Millis)
	assert.NotEmpty(t, got.Kernel)
	assert.Positive(t, got.CPUs)
}
