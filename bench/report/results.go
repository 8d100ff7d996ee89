package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are the values of all benchmarks, by name and unit, one of each run.
type results struct {
	config map[string]string // of the configuration lines
	names  []string          // in the order of their first run
	values map[string]map[string][]float64
}

func newResults() *results {
	return &results{config: map[string]string{}, values: map[string]map[string][]float64{}}
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
	if r.values[name] == nil {
		r.names = append(r.names, name)
		r.values[name] = map[string][]float64{}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v, err := strconv.ParseFloat(pairs[i], 64)
		if err != nil {
			return err
		}
		unit := pairs[i+1]
		r.values[name][unit] = append(r.values[name][unit], v)
	}
	return nil
}

// median returns the median of a unit over all runs; false if there is none.
func (r *results) median(name, unit string) (float64, bool) {
	v := slices.Sorted(slices.Values(r.values[name][unit]))
	n := len(v)
	switch {
	case n == 0:
		return 0, false
	case n%2 == 1:
		return v[n/2], true
	}
	return (v[n/2-1] + v[n/2]) / 2, true
}

// span returns the least and the greatest value of a unit.
func (r *results) span(name, unit string) (low, high float64) {
	v := r.values[name][unit]
	if len(v) == 0 {
		return 0, 0
	}
	return slices.Min(v), slices.Max(v)
}

// runs returns how often each benchmark was run, at most.
func (r *results) runs() int {
	n := 0
	for _, units := range r.values {
		n = max(n, len(units["ns/op"]))
	}
	return n
}
