// Package results reads what benchmarks print, in the standard format of Go, from any number
// of runs, and gives medians.
package results

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Set has the values of all benchmarks. It is not for concurrent use.
type Set struct {
	Config map[string]string // of the configuration lines
	Names  []string          // in the order of their first run, without "Benchmark"
	Runs   map[string][]Sample
}

// A Sample is what one run of a benchmark measured, by unit.
type Sample map[string]float64

// Units of the benchmark format.
const (
	NsPerOp     = "ns/op"
	MBPerSecond = "MB/s"
	LineNs      = "line-ns" // the way of a cache line between the cores, there and back
)

// New returns an empty set.
func New() *Set { return &Set{Config: map[string]string{}, Runs: map[string][]Sample{}} }

var (
	configLine = regexp.MustCompile(`^([a-z][^\sA-Z]*):\s*(.*)$`)
	procs      = regexp.MustCompile(`-\d+$`)
)

// Read adds the results in the standard format of Go benchmarks. It passes over lines
// that are something else. The number of processors behind each name is dropped; it is there
// if all names end with the same one.
func (r *Set) Read(in io.Reader) error {
	var found [][]string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		if m := configLine.FindStringSubmatch(line); m != nil {
			r.Config[m[1]] = m[2]
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") || len(fields)%2 != 0 {
			continue
		}
		found = append(found, fields)
	}
	suffix := commonSuffix(found)
	for _, fields := range found {
		if err := r.add(strings.TrimSuffix(fields[0], suffix), fields[2:]); err != nil {
			return fmt.Errorf("line %q: %w", strings.Join(fields, " "), err)
		}
	}
	return lines.Err()
}

// commonSuffix returns the number of processors that all names end with, or nothing: with
// one processor there is none, and a number at the end of a name is its own.
func commonSuffix(found [][]string) string {
	if len(found) == 0 {
		return ""
	}
	suffix := procs.FindString(found[0][0])
	for _, fields := range found {
		if procs.FindString(fields[0]) != suffix {
			return ""
		}
	}
	return suffix
}

// add takes the pairs of value and unit of one line.
func (r *Set) add(name string, pairs []string) error {
	name = strings.TrimPrefix(name, "Benchmark")
	if r.Runs[name] == nil {
		r.Names = append(r.Names, name)
	}
	run := Sample{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v, err := strconv.ParseFloat(pairs[i], 64)
		if err != nil {
			return err
		}
		run[pairs[i+1]] = v
	}
	r.Runs[name] = append(r.Runs[name], run)
	return nil
}

// farFactor is how many times a short way between the cores counts as far. A short way is
// shorter than all but one in oddOnes: now and then two virtual cores share even more.
const (
	farFactor = 1.5
	oddOnes   = 20
)

// Split parts the runs with the cores near to each other from those with them far apart.
// Runs that did not measure that are near.
func (r *Set) Split() (near, far *Set) {
	var lines []float64
	for name := range r.Runs {
		lines = append(lines, r.Of(name, LineNs)...)
	}
	slices.Sort(lines)
	short := math.Inf(1)
	if len(lines) > 0 {
		short = lines[len(lines)/oddOnes]
	}
	near, far = New(), New()
	for _, name := range r.Names {
		for _, run := range r.Runs[name] {
			part := near
			if run[LineNs] > farFactor*short {
				part = far
			}
			if part.Runs[name] == nil {
				part.Names = append(part.Names, name)
			}
			part.Runs[name] = append(part.Runs[name], run)
		}
	}
	return near, far
}

// Of returns the values of a unit in all runs, sorted.
func (r *Set) Of(name, unit string) []float64 {
	var values []float64
	for _, run := range r.Runs[name] {
		if v, ok := run[unit]; ok {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// Median returns the median of a unit over all runs; false if there is none.
func (r *Set) Median(name, unit string) (float64, bool) {
	v := r.Of(name, unit)
	n := len(v)
	switch {
	case n == 0:
		return 0, false
	case n%2 == 1:
		return v[n/2], true
	}
	return (v[n/2-1] + v[n/2]) / 2, true
}
