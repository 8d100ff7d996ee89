// Package evidence lets a test say how large it shall be and write down what it saw.
//
// An engine asks Size how much to do; make evidence raises the sizes by the
// environment. At its end it calls Write, which stores a record as a JSON file if
// SHMRING_EVIDENCE names a directory, and does nothing otherwise.
package evidence

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// DirVar names the directory that records are written to.
const DirVar = "SHMRING_EVIDENCE"

// CommitVar holds the commit under test, for the records.
const CommitVar = "SHMRING_COMMIT"

// A Record is what one engine saw in one run.
type Record struct {
	// Name is the name of the file, without .json.
	Name string `json:"name"`
	// Title says in a few words what was tried.
	Title string `json:"title"`
	// Guarantees lists those that the run tried to break: G1, G5.
	Guarantees []string `json:"guarantees"`
	// Seed is what the run was derived from; 0 if nothing was random.
	Seed uint64 `json:"seed,omitempty"`
	// Counts holds what was counted: kills, messages, lost. What must be 0 is in it too.
	Counts map[string]int64 `json:"counts"`
	// Millis holds a distribution of times in milliseconds: p50, p99, max.
	Millis map[string]float64 `json:"millis,omitempty"`
	// Note says what a reader has to know about the figures.
	Note string `json:"note,omitempty"`

	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Kernel  string    `json:"kernel"`
	Go      string    `json:"go"`
	Arch    string    `json:"arch"`
	CPUs    int       `json:"cpus"`
	Commit  string    `json:"commit,omitempty"`
}

// Size returns the number in the environment variable SHMRING_ and the name in capitals,
// and def if there is none: Size(t, "kills", 50) reads SHMRING_KILLS.
func Size(tb testing.TB, name string, def int) int {
	tb.Helper()
	text := os.Getenv("SHMRING_" + strings.ToUpper(name))
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		tb.Fatalf("SHMRING_%s=%q is not a number of at least 0", strings.ToUpper(name), text)
	}
	return n
}

// Write stores r for a run that began at started. A failed test leaves no record.
func Write(tb testing.TB, started time.Time, r Record) {
	tb.Helper()
	if tb.Failed() {
		return
	}
	if err := Store(started, r); err != nil {
		tb.Fatal(err)
	}
}

// Store is Write for a program that is no test.
func Store(started time.Time, r Record) error {
	dir := os.Getenv(DirVar)
	if dir == "" {
		return nil
	}
	r.Started = started.UTC().Truncate(time.Second)
	r.Seconds = time.Since(started).Round(100 * time.Millisecond).Seconds()
	r.Kernel = kernel()
	r.Go, r.Arch, r.CPUs = runtime.Version(), runtime.GOARCH, runtime.NumCPU()
	r.Commit = os.Getenv(CommitVar)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	path := filepath.Join(dir, r.Name+".json")
	err = os.WriteFile(path, append(text, '\n'), 0o644) //nolint:gosec // read by all
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	return nil
}

// Quantiles returns p50, p99 and max of times, in milliseconds.
func Quantiles(times []time.Duration) map[string]float64 {
	if len(times) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(q float64) float64 {
		d := sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
		return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
	}
	return map[string]float64{"p50": at(0.50), "p99": at(0.99), "max": at(1)}
}

// kernel returns the release of the running kernel.
func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
