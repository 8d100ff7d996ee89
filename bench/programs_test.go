package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Programs in C and C++ that do the same as a benchmark here: the least that two processes
// can do, and queues that others use. They are built where a compiler and the headers are.

func BenchmarkFloor(b *testing.B) { floors(b).benchmark(b) }
func BenchmarkPeer(b *testing.B)  { peers(b).benchmark(b) }

// A program is a source and what to link it with.
type program struct {
	name, source, compiler string
	libraries              []string
}

var floorProgram = program{"floor", "floor/floor.c", "gcc", nil}

var peerPrograms = []program{
	{"boost-message-queue", "peers/boost.cpp", "g++", []string{"-lrt", "-lpthread"}},
	{"zeromq-ipc", "peers/zeromq.c", "gcc", []string{"-lzmq"}},
	{"nng-ipc", "peers/nng.c", "gcc", []string{"-lnng"}},
}

// An executable is a program that was built, or why it cannot be had here.
type executable struct {
	path, reason string
	err          error
}

// build returns what compiles the program when it is first wanted, into a directory that
// goes with tb.
func (p program) build(tb testing.TB) func() executable {
	tb.Helper()
	dir := tb.TempDir()
	return sync.OnceValue(func() executable {
		compiler, err := exec.LookPath(p.compiler)
		if err != nil {
			return executable{reason: p.compiler + " is not installed"}
		}
		path := filepath.Join(dir, p.name)
		args := append([]string{"-O2", "-Wall", "-Wextra", "-Werror", "-o", path, p.source},
			p.libraries...)
		out, err := exec.Command(compiler, args...).CombinedOutput()
		text := string(out)
		switch {
		case err == nil:
			return executable{path: path}
		case strings.Contains(text, "No such file"), strings.Contains(text, "cannot find"):
			line, _, _ := strings.Cut(text, "\n")
			return executable{reason: "what it needs is not installed: " + line}
		}
		return executable{err: fmt.Errorf("%s: %w\n%s", p.source, err, text)}
	})
}

// floors are the floor in C: what Go costs beyond it shows beside Bare.
func floors(tb testing.TB) group {
	tb.Helper()
	bin := floorProgram.build(tb)
	g := group{
		{name: "spin/two-words", body: programRun(bin, "spin", smallSize)},
		{name: "park/futex", body: programRun(bin, "futex", smallSize)},
	}
	for _, size := range append([]int{32, 256}, copySizes...) {
		g = append(g, benchCase{
			"memcpy/" + sizeName(size), programRun(bin, "memcpy", size), fewOf(size),
		})
	}
	return g
}

// peers are the queues that programs use today.
func peers(tb testing.TB) group {
	tb.Helper()
	var g group
	for _, p := range peerPrograms {
		bin := p.build(tb)
		g = append(g,
			benchCase{p.name + "/roundtrip/32B", programRun(bin, "trip", smallSize), 100},
			benchCase{p.name + "/stream/32B", programRun(bin, "stream", smallSize), 100})
		for _, size := range []int{4 * kib, mib} {
			g = append(g, benchCase{
				p.name + "/stream/" + sizeName(size), programRun(bin, "stream", size), 16,
			})
		}
	}
	return g
}

// programRun lets a program measure, and reports what it says.
func programRun(built func() executable, mode string, size int) func(*run) {
	return func(r *run) {
		bin := built()
		r.check(bin.err)
		if bin.reason != "" {
			r.Skip(bin.reason)
		}
		if mode == "spin" || mode == "memcpy" {
			r.needTwoCores()
		}
		ctx, cancel := context.WithTimeout(context.Background(), watchdog)
		defer cancel()
		cmd := exec.CommandContext(ctx, bin.path, mode, strconv.Itoa(size),
			strconv.FormatUint(r.n, 10), strconv.Itoa(core(0)), strconv.Itoa(core(1)))
		r.start()
		out, err := cmd.Output()
		r.stop()
		if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // bare, by its documentation
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		r.check(err)
		metrics := map[string]float64{}
		r.check(json.Unmarshal(out, &metrics))
		if metrics["messages"] != float64(r.n) {
			r.Fatalf("%v of %d messages", metrics["messages"], r.n)
		}
		delete(metrics, "messages")
		for unit, v := range metrics {
			r.metric(v, unit)
		}
		r.metric(1e9/metrics["ns/op"], "msg/s")
		r.metric(float64(size)*1e3/metrics["ns/op"], "MB/s")
	}
}
