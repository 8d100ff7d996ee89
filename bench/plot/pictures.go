package main

import (
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/plotter"

	"shmring/internal/results"
)

// A picture is one of the drawings.
type picture struct {
	name, title, x, y string
	ticksX            ticks
	lines             func(*results.Set) []line
}

// A line is what is drawn in one colour.
type line struct {
	label  string
	points plotter.XYs
}

var pictures = []picture{
	{
		name: "latency", title: "Round trips of 32 bytes between two processes",
		x: "percentile", y: "there and back", ticksX: percentileTicks, lines: latencies,
	},
	{
		name: "throughput", title: "Throughput over the size of a message",
		x: "bytes of a message", y: "MB/s", ticksX: sizeTicks, lines: throughputs,
	},
	{
		name: "cpu", title: "CPU of the receiver over the rate of messages of 32 bytes",
		x: "messages a second", y: "% of a core", ticksX: powerTicks, lines: spendings,
	},
}

// A row says which benchmark is a line, under which label.
type row struct{ label, name string }

var latencyRows = []row{
	{"shmring, spin", "RoundTrip/spin/spsc-32B"},
	{"shmring, adaptive", "RoundTrip/adaptive/spsc-32B"},
	{"shmring, park", "RoundTrip/park/spsc-32B"},
	{"two words, spin", "Bare/spin/two-words"},
	{"futex", "Bare/park/futex"},
	{"pipe", "Bare/park/pipe-32B"},
	{"unix socket", "Bare/park/unix-socket-32B"},
	{"TCP", "Bare/park/tcp-loopback-32B"},
	{"Boost", "Peer/boost-message-queue/roundtrip/32B"},
	{"ZeroMQ", "Peer/zeromq-ipc/roundtrip/32B"},
	{"nng", "Peer/nng-ipc/roundtrip/32B"},
	{"net/http", "HTTP/call/32B-for-32B"},
}

// nines are the percentiles by how many of 1 are beyond them: 10, 100 and so on.
var nines = []struct {
	unit   string
	beyond float64
}{{"p50-ns", 2}, {"p90-ns", 10}, {"p99-ns", 100}, {"p99.9-ns", 1000}, {"p99.99-ns", 10_000}}

// latencies are the distributions.
func latencies(set *results.Set) []line {
	var lines []line
	for _, row := range latencyRows {
		l := line{label: row.label}
		for _, nine := range nines {
			if ns, ok := set.Median(row.name, nine.unit); ok && ns > 0 {
				l.points = append(l.points, plotter.XY{X: nine.beyond, Y: ns})
			}
		}
		lines = append(lines, l)
	}
	return drawable(lines)
}

// throughputs are those of benchmarks whose names end with a size.
func throughputs(set *results.Set) []line {
	return over(set, []row{
		{"shmring, in place", "Size/in-place/"},
		{"shmring, copied in and out", "Size/copy/"},
		{"memcpy in and out, Go", "Bare/memcpy/"},
		{"memcpy in and out, C", "Floor/memcpy/"},
		{"Boost", "Peer/boost-message-queue/stream/"},
		{"ZeroMQ", "Peer/zeromq-ipc/stream/"},
		{"nng", "Peer/nng-ipc/stream/"},
	}, results.MBPerSecond, bytesOf)
}

// spendings are those of benchmarks whose names end with a rate.
func spendings(set *results.Set) []line {
	return over(set, []row{
		{"adaptive", "Scale/rate/adaptive/"},
		{"park", "Scale/rate/park/"},
		{"spin", "Scale/rate/spin/"},
	}, "receiver-cpu-%", func(text string) (float64, bool) {
		v, err := strconv.ParseFloat(text, 64)
		return v, err == nil
	})
}

// over are lines of a unit over a number that ends the names of benchmarks.
func over(
	set *results.Set, rows []row, unit string, number func(string) (float64, bool),
) []line {
	var lines []line
	for _, row := range rows {
		l := line{label: row.label}
		for _, name := range set.Names {
			rest, ok := strings.CutPrefix(name, row.name)
			if !ok {
				continue
			}
			x, ok := number(rest)
			y, measured := set.Median(name, unit)
			if ok && measured && x > 0 && y > 0 {
				l.points = append(l.points, plotter.XY{X: x, Y: y})
			}
		}
		slices.SortFunc(l.points, func(a, b plotter.XY) int { return int(a.X - b.X) })
		lines = append(lines, l)
	}
	return drawable(lines)
}

// drawable are the lines that have something to be drawn.
func drawable(lines []line) []line {
	return slices.DeleteFunc(lines, func(l line) bool { return len(l.points) == 0 })
}

// bytesOf reads a size as benchmarks spell it.
func bytesOf(text string) (float64, bool) {
	for _, unit := range []struct {
		suffix string
		bytes  float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"B", 1}} {
		if digits, ok := strings.CutSuffix(text, unit.suffix); ok {
			n, err := strconv.ParseFloat(digits, 64)
			return n * unit.bytes, err == nil
		}
	}
	return 0, false
}
