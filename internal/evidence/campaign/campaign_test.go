package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/evidence"
)

func TestEveryEngineHasItsSizesAndRecordsOfItsOwn(t *testing.T) {
	of := make(map[string]string)
	for _, e := range engines {
		if e.name != "mutants" { // which take half an hour
			assert.Contains(t, e.sizes, "small", e.name)
		}
		assert.Contains(t, e.sizes, "release", e.name)
		for _, r := range e.records {
			assert.Empty(t, of[r], "%s is the record of %s too", r, e.name)
			of[r] = e.name
		}
	}
	all, err := choose("")
	require.NoError(t, err)
	assert.Len(t, all, len(engines))
	two, err := choose("chaos,kills")
	require.NoError(t, err)
	require.Len(t, two, 2)
	assert.Equal(t, "kills", two[0].name)
	require.ErrorContains(t, run(t.Context(), "huge", "", t.TempDir(), false), "huge")
	_, err = choose("kills,nothing")
	require.ErrorContains(t, err, "nothing")
}

func TestEngineThatFailsLeavesNoRecord(t *testing.T) {
	root := t.TempDir()
	records := filepath.Join(root, recordDir)
	path := filepath.Join(records, "some.json")
	e := engine{
		name: "some", command: []string{"sh", "-c", "echo {} > $SHMRING_EVIDENCE/some.json"},
		records: []string{"some"}, sizes: same(),
	}
	require.NoError(t, e.run(t.Context(), io.Discard, root, "small", root))
	require.FileExists(t, path)
	require.Error(t, e.run(t.Context(), io.Discard, root, "huge", root))
	e.command[2] = "exit 1"
	require.Error(t, e.run(t.Context(), io.Discard, root, "small", root))
	require.NoFileExists(t, path)
	e.command[2] = "true"
	require.ErrorContains(t, e.run(t.Context(), io.Discard, root, "small", root), "no record")
}

func TestDocumentsSayWhatTheRecordsSay(t *testing.T) {
	records := []evidence.Record{
		{
			Name: "kills", Title: "killed anywhere", Guarantees: []string{"G1", "G5"}, Seed: 7,
			Counts: map[string]int64{"kills": 1234567, "lost": 0}, Seconds: 12,
			Millis: map[string]float64{"p99": 1.5}, Commit: "abc",
		},
		{Name: "chaos", Counts: map[string]int64{"messages": 999, "kills": 1, "lost": 2}},
	}
	table := details(records)
	assert.Contains(t, table, "kills 1,234,567, lost 0 | p99 1.5 | 7 | 12 s | abc |")
	summary := totals(records)
	assert.Contains(t, summary, "1,234,568")
	assert.Contains(t, summary, "**2**")
	text, err := between("a\n"+beginMark+"old\n"+endMark+"b\n", "new\n")
	require.NoError(t, err)
	assert.Equal(t, "a\n"+beginMark+"new\n"+endMark+"b\n", text)
	_, err = between("no marks", "")
	require.Error(t, err)
	assert.Equal(t, "999", group(999))
	assert.Equal(t, "-1,000", group(-1000))
}

// TestPublishedDocumentsAreThoseOfTheRecords makes sure that nobody edits a figure.
func TestPublishedDocumentsAreThoseOfTheRecords(t *testing.T) {
	const root = "../../.."
	records, err := load(filepath.Join(root, recordDir))
	require.NoError(t, err)
	for path, want := range map[string]string{
		"docs/RELIABILITY.md": details(records), "README.md": totals(records),
	} {
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		assert.Contains(t, string(text), beginMark+want+endMark,
			"%s: run go run ./internal/evidence/campaign -table", path)
	}
}
