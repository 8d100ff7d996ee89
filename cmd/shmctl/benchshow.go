package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"shmring/internal/measure"
)

// A benchResult is what a case measured. A message of a round trip is the trip.
type benchResult struct {
	benchCase
	Messages uint64        `json:"messages" doc:"or trips"`
	Elapsed  time.Duration `json:"elapsed_ns"`
	Each     float64       `json:"ns_per_message"`
	Rate     float64       `json:"messages_per_second"`
	Bytes    float64       `json:"bytes_per_second" doc:"of payloads"`
	Latency  []benchPoint  `json:"latency" doc:"empty for a stream flat out"`
	CPU      float64       `json:"cpu_ns_per_message" doc:"of both processes"`
	Calls    float64       `json:"syscalls_per_message" doc:"sleeps and wakes of the channel"`
	Switches float64       `json:"switches_per_message" doc:"of context"`
	Mallocs  float64       `json:"mallocs_per_message"`
}

// A benchPoint is a point of the distribution of times; percentile 100 is the longest.
type benchPoint struct {
	Percentile float64 `json:"percentile" doc:"100 is the longest"`
	NS         int64   `json:"ns"`
	name       string
}

// A benchFact says something about the machine.
type benchFact struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func newBenchResult(
	r *benchRun, n uint64, took time.Duration, spent measure.Spending,
) *benchResult {
	per := float64(n)
	result := &benchResult{
		benchCase: r.benchCase, Messages: n, Elapsed: took, Each: float64(took) / per,
		Rate: per / took.Seconds(), Bytes: per * float64(r.Size) / took.Seconds(),
		Latency: []benchPoint{}, CPU: float64(spent.CPU) / per,
		Calls: float64(spent.Syscalls) / per, Switches: float64(spent.Switches) / per,
		Mallocs: float64(spent.Mallocs) / per,
	}
	for _, p := range r.latency.Percentiles() {
		result.Latency = append(result.Latency, benchPoint{p.At, p.NS, p.Name})
	}
	return result
}

// line is the result in the format of Go benchmarks.
func (r *benchResult) line() string {
	text := fmt.Sprintf("%s\t%d\t%.2f ns/op\t%.2f MB/s\t%.0f msg/s", r.name(), r.Messages, r.Each,
		r.Bytes/1e6, r.Rate)
	for _, p := range r.Latency {
		text += fmt.Sprintf("\t%d %s-ns", p.NS, p.name)
	}
	return text + fmt.Sprintf("\t%.2f cpu-ns/op\t%.4f syscalls/op\t%.4f switches/op\t"+
		"%.4f mallocs/op\n", r.CPU, r.Calls, r.Switches, r.Mallocs)
}

// benchedJSON is what bench --json prints.
type benchedJSON struct {
	Machine []benchFact    `json:"machine" doc:"what figures are worth nothing without"`
	Results []*benchResult `json:"results" doc:"one for each case"`
}

// A benchShow shows results: as a table or JSON, and in a file.
type benchShow struct {
	app     *app
	json    bool
	file    io.Writer
	results []*benchResult
}

func newBenchShow(a *app, asJSON bool, file io.Writer) *benchShow {
	return &benchShow{app: a, json: asJSON, file: file, results: []*benchResult{}}
}

// begin writes what figures are worth nothing without.
func (s *benchShow) begin() error {
	for _, f := range measure.Machine() {
		if _, err := fmt.Fprintf(s.file, "%s: %s\n", f.Key, f.Value); err != nil {
			return err
		}
	}
	return nil
}

func (s *benchShow) add(r *benchResult) error {
	s.results = append(s.results, r)
	_, err := io.WriteString(s.file, r.line())
	return err
}

// end prints everything that was measured.
func (s *benchShow) end() error {
	if s.json {
		var machine []benchFact
		for _, f := range append(measure.Machine(), measure.Moment()...) {
			machine = append(machine, benchFact(f))
		}
		enc := json.NewEncoder(s.app.stdout)
		enc.SetIndent("", "  ")
		return writeError(enc.Encode(benchedJSON{machine, s.results}))
	}
	t := newTable("MODE", "KIND", ">SIZE", ">BATCH", ">RATE", "WAIT", ">NS/MSG", ">MSG/S", ">MB/S",
		">P50", ">P99", ">P99.9", ">CPU/MSG", ">CALLS/MSG")
	for _, r := range s.results {
		rate := ""
		if r.benchCase.Rate > 0 {
			rate = strconv.FormatFloat(r.benchCase.Rate, 'g', -1, 64)
		}
		t.row(r.Mode, r.Kind, humanize.Comma(int64(r.Size)), strconv.Itoa(r.Batch), rate, r.Wait,
			three(r.Each), humanize.Comma(int64(r.Rate)), three(r.Bytes/1e6),
			r.point("p50"), r.point("p99"), r.point("p99.9"), three(r.CPU)+"ns", three(r.Calls))
	}
	if t.empty() {
		return nil
	}
	return s.app.print(t.String())
}

// point is a percentile, if there were enough times for it.
func (r *benchResult) point(name string) string {
	i := slices.IndexFunc(r.Latency, func(p benchPoint) bool { return p.name == name })
	if i < 0 {
		return ""
	}
	ns := r.Latency[i].NS
	if ns < int64(time.Microsecond) {
		return fmt.Sprintf("%dns", ns)
	}
	return time.Duration(ns).Round(time.Duration(ns) / 1000).String()
}

// three writes about three digits.
func three(v float64) string {
	switch {
	case v >= 100:
		return humanize.Comma(int64(v + 0.5))
	case v == 0:
		return "0"
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
