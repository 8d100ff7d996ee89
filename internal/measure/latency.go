package measure

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency collects times. It has three significant digits, from 1 ns to an hour; what is
// longer counts as an hour.
type Latency struct {
	h *hdrhistogram.Histogram
}

// NewLatency returns an empty collection. It allocates all that it will ever need.
func NewLatency() *Latency { return &Latency{hdrhistogram.New(1, int64(time.Hour), 3)} }

// Record adds a time in nanoseconds. One that is not positive counts as 1 ns.
func (l *Latency) Record(ns int64) {
	_ = l.h.RecordValue(min(max(ns, 1), int64(time.Hour))) // in range
}

// Add adds the times of another collection.
func (l *Latency) Add(o *Latency) { l.h.Merge(o.h) }

// Count returns how many times there are.
func (l *Latency) Count() int64 { return l.h.TotalCount() }

// A Percentile is a point of the distribution.
type Percentile struct {
	Name string // as in p99.9
	At   float64
	NS   int64
}

// percentiles are those that are told, and how many times each needs to mean something:
// ten beyond it.
var percentiles = []struct {
	name  string
	at    float64
	least int64
}{
	{"p50", 50, 1},
	{"p90", 90, 100},
	{"p99", 99, 1000},
	{"p99.9", 99.9, 10_000},
	{"p99.99", 99.99, 100_000},
	{"max", 100, 1},
}

// Percentiles returns the points for which there are enough times: at least ten of them
// lie beyond each. The median and the largest are always told.
func (l *Latency) Percentiles() []Percentile {
	var out []Percentile
	if l.Count() == 0 {
		return nil
	}
	for _, p := range percentiles {
		if l.Count() >= p.least {
			out = append(out, Percentile{p.name, p.at, l.h.ValueAtQuantile(p.at)})
		}
	}
	return out
}
