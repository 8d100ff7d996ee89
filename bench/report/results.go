package main

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

// results are the values of all benchmarks.
type results struct {
	config map[string]string // of the configuration lines
	names  []string          // in the order of their first run
	runs   map[string][]sample
}

// A sample is what one run of a benchmark measured, by unit.
type sample map[string]float64

func newResults() *results {
	return &results{config: map[string]string{}, runs: map[string][]sample{}}
}

var (
	configLine = regexp.MustCompile(`^([a-z][^\sA-Z]*):\s*(.*)$`)
	procs      = regexp.MustCompile(`-\d+$`)
)

// read adds the results in the standard format of Go benchmarks. It passes over lines
// that are something else.
func (r *results) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		if m := configLine.FindStringSubmatch(line); m != nil {
			r.config[m[1]] = m[2]
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") || len(fields)%2 != 0 {
			continue
		}
		if err := r.add(fields[0], fields[2:]); err != nil {
			return fmt.Errorf("line %q: %w", line, err)
		}
	}
	return lines.Err()
}

// add takes the pairs of value and unit of one line.
func (r *results) add(name string, pairs []string) error {
	name = procs.ReplaceAllString(strings.TrimPrefix(name, "Benchmark"), "")
	if r.runs[name] == nil {
		r.names = append(r.names, name)
	}
	run := sample{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v, err := strconv.ParseFloat(pairs[i], 64)
		if err != nil {
			return err
		}
		run[pairs[i+1]] = v
	}
	r.runs[name] = append(r.runs[name], run)
	return nil
}

// farFactor is how many times the shortest way between the cores counts as far.
const farFactor = 1.5

// split parts the runs with the cores near to each other from those with them far apart.
// Runs that did not measure that are near.
func (r *results) split() (near, far *results) {
	nearest := math.Inf(1)
	for _, runs := range r.runs {
		for _, run := range runs {
			if line, ok := run[lineNs]; ok {
				nearest = min(nearest, line)
			}
		}
	}
	near, far = newResults(), newResults()
	for _, name := range r.names {
		for _, run := range r.runs[name] {
			part := near
			if run[lineNs] > farFactor*nearest {
				part = far
			}
			if part.runs[name] == nil {
				part.names = append(part.names, name)
			}
			part.runs[name] = append(part.runs[name], run)
		}
	}
	return near, far
}

// of returns the values of a unit in all runs, sorted.
func (r *results) of(name, unit string) []float64 {
	var values []float64
	for _, run := range r.runs[name] {
		if v, ok := run[unit]; ok {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// median returns the median of a unit over all runs; false if there is none.
func (r *results) median(name, unit string) (float64, bool) {
	v := r.of(name, unit)
	n := len(v)
	switch {
	case n == 0:
		return 0, false
	case n%2 == 1:
		return v[n/2], true
	}
	return (v[n/2-1] + v[n/2]) / 2, true
}
