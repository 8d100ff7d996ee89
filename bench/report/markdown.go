package main

import (
	"fmt"
	"strings"

	"shmring/internal/results"
)

// A ratio sets a benchmark beside a bare one.
type ratio struct {
	what, name, bare, unit string
}

const (
	ns = results.NsPerOp
	mb = results.MBPerSecond
)

var ratios = []ratio{
	{"round trip, both spin", "RoundTrip/spin/spsc-32B", "Bare/spin/two-words", ns},
	{"round trip, both spin", "RoundTrip/spin/spsc-32B", "Floor/spin/two-words", ns},
	{"round trip, both sleep", "RoundTrip/park/spsc-32B", "Bare/park/futex", ns},
	{"round trip, both sleep", "RoundTrip/park/spsc-32B", "Floor/park/futex", ns},
	{"round trip, both sleep", "RoundTrip/park/spsc-32B", "Bare/park/pipe-32B", ns},
	{"round trip, both sleep", "RoundTrip/park/spsc-32B", "Bare/park/unix-socket-32B", ns},
	{"round trip, both sleep", "RoundTrip/park/spsc-32B", "Bare/park/tcp-loopback-32B", ns},
	{"round trip", "RoundTrip/adaptive/spsc-32B", "Peer/boost-message-queue/roundtrip/32B", ns},
	{"round trip", "RoundTrip/adaptive/spsc-32B", "Peer/zeromq-ipc/roundtrip/32B", ns},
	{"round trip", "RoundTrip/adaptive/spsc-32B", "Peer/nng-ipc/roundtrip/32B", ns},
	{"round trip", "RoundTrip/adaptive/spsc-32B", "HTTP/call/32B-for-32B", ns},
	{"round trip", "RoundTrip/adaptive/spsc-32B", "GoChannel/roundtrip/32B", ns},
	{"copied in and out", "Size/copy/", "Bare/memcpy/", mb},
	{"copied in and out", "Size/copy/", "Floor/memcpy/", mb},
	{"written and read in place", "Size/in-place/", "Bare/memcpy/", mb},
}

// columns of the table of all results: heading and unit.
var columns = []struct{ head, unit string }{
	{"ns per message", results.NsPerOp},
	{"messages/s", "msg/s"},
	{"MB/s", results.MBPerSecond},
	{"p50 ns", "p50-ns"},
	{"p99 ns", "p99-ns"},
	{"p99.9 ns", "p99.9-ns"},
	{"CPU ns, both sides", "cpu-ns/op"},
	{"CPU %", "cpu-%"},
	{"system calls", "syscalls/op"},
	{"context switches", "switches/op"},
	{"allocations", "mallocs/op"},
	{"line there and back ns", results.LineNs},
}

// A report is a set of results to be written.
type report struct{ *results.Set }

// markdown writes one pair of tables for the runs with the cores near to each other and
// one for those with them far apart: the two must never be compared.
func (r report) markdown() string {
	var b strings.Builder
	r.machine(&b)
	near, far := r.Split()
	if len(far.Names) > 0 {
		b.WriteString("\n### Cores near to each other\n")
	}
	report{near}.tables(&b)
	if len(far.Names) > 0 {
		b.WriteString("\n### Cores far apart\n")
		report{far}.tables(&b)
	}
	return b.String()
}

// machine says where the figures are from.
func (r report) machine(b *strings.Builder) {
	var parts []string
	for _, key := range []string{"cpu", "cores", "goos", "kernel", "go", "goarch"} {
		if v := r.Config[key]; v != "" {
			parts = append(parts, fmt.Sprintf("%s: %s", key, v))
		}
	}
	fmt.Fprintf(b, "%s.\n", strings.Join(parts, "; "))
	for _, name := range r.Names {
		if v, ok := r.Median(name, "clock-ns"); ok {
			fmt.Fprintf(b, "Percentiles include one reading of the clock, %s ns.\n", digits(v))
			break
		}
	}
}

func (r report) tables(b *strings.Builder) {
	r.ratioTable(b)
	r.resultTable(b)
}

// ratioTable sets channels beside the bare means of the same run.
func (r report) ratioTable(b *strings.Builder) {
	var rows strings.Builder
	for _, q := range ratios {
		for _, name := range r.Names {
			size, ok := strings.CutPrefix(name, q.name)
			if !ok || size != "" && !strings.HasSuffix(q.name, "/") {
				continue
			}
			bare := q.bare + size
			ours, ok1 := r.Median(name, q.unit)
			theirs, ok2 := r.Median(bare, q.unit)
			if !ok1 || !ok2 || theirs == 0 {
				continue
			}
			fmt.Fprintf(&rows, "| %s | %s | %s | %s | %.2f |\n",
				strings.TrimSpace(q.what+" "+size), figure(ours, q.unit),
				strings.TrimPrefix(bare, "Bare/"), figure(theirs, q.unit), ours/theirs)
		}
	}
	if rows.Len() == 0 {
		return
	}
	b.WriteString("\n| what | channel | beside | bare | ratio |\n|---|---:|---|---:|---:|\n")
	b.WriteString(rows.String())
}

// resultTable has every benchmark and every unit that was measured.
func (r report) resultTable(b *strings.Builder) {
	b.WriteString("\n| benchmark | runs |")
	rule := "|---|---:|"
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.head)
		rule += "---:|"
	}
	b.WriteString("\n" + rule + "\n")
	for _, name := range r.Names {
		fmt.Fprintf(b, "| %s | %d |", name, len(r.Runs[name]))
		for _, c := range columns {
			fmt.Fprintf(b, "%s |", r.cell(name, c.unit))
		}
		b.WriteString("\n")
	}
}

// cell is a median, for the time with the span of all runs.
func (r report) cell(name, unit string) string {
	v, ok := r.Median(name, unit)
	if !ok {
		return ""
	}
	text := " " + digits(v)
	if all := r.Of(name, unit); unit == results.NsPerOp && len(all) > 1 {
		text += fmt.Sprintf(" (%s–%s)", digits(all[0]), digits(all[len(all)-1]))
	}
	return text
}

func figure(v float64, unit string) string {
	if unit == results.NsPerOp {
		return digits(v) + " ns"
	}
	return digits(v) + " " + unit
}

// digits writes three significant digits, and what is next to nothing as nothing.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	case v >= 0.001:
		return fmt.Sprintf("%.3f", v)
	}
	return "0"
}
