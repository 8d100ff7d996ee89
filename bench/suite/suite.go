package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"shmring/internal/measure"
)

// A part is some benchmarks that take equally long and whose results share a file.
type part struct {
	name    string
	pattern string        // of benchmarks
	time    time.Duration // of each; zero: times says how often
	times   int
	oneCore bool // on one processor
}

// parts are the whole suite. Workloads at low rates take longer, since a percentile needs a
// number of messages, and the one of idleness is about CPU time of little.
var parts = []part{
	{name: "floors", pattern: "^Benchmark(Bare|Floor|Peer|HTTP|GoChannel)$", time: time.Second},
	{name: "messages", pattern: "^Benchmark(RoundTrip|Stream|Size|Alone)$", time: time.Second},
	{name: "scale", pattern: "^BenchmarkScale$", time: 2 * time.Second},
	{name: "workloads", pattern: "^BenchmarkW[1235679][A-Z]", time: 5 * time.Second},
	{name: "blobs", pattern: "^BenchmarkW4", time: time.Minute},
	{name: "cancel", pattern: "^BenchmarkW8", time: 10 * time.Second},
	{name: "idle", pattern: "^BenchmarkW10Idle$/^24B$/^every-(1ms|10ms)$", times: 2000},
	{name: "idle-second", pattern: "^BenchmarkW10Idle$/^24B$/^every-1s$", times: 30},
	{name: "idle-ten-seconds", pattern: "^BenchmarkW10Idle$/^24B$/^every-10s$", times: 6},
	{name: "idle-nothing", pattern: "^BenchmarkW10Idle$/^no-message$", times: 600},
	{name: "death", pattern: "^BenchmarkW11", times: 100},
	{
		name: "one-core", pattern: "^Benchmark(Bare|RoundTrip|Stream|W1TokenStream|W8Cancel)$",
		time: time.Second, oneCore: true,
	},
}

// A suite runs parts and collects their output.
type suite struct {
	options
	binary string
	errs   io.Writer
	// start runs a command in a directory.
	start func(ctx context.Context, dir string, out io.Writer, name string, args ...string) error
}

// all runs the chosen parts as often as told.
func (s *suite) all(ctx context.Context) error {
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	var chosen []part
	for _, p := range parts {
		if s.parts.MatchString(p.name) {
			chosen = append(chosen, p)
			if err := os.Remove(s.file(p)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	if len(chosen) == 0 {
		return errors.New("no part of that name")
	}
	facts := append(measure.Machine(), measure.Moment()...)
	for run := range s.runs {
		for _, p := range chosen {
			s.say("run %d of %d: %s", run+1, s.runs, p.name)
			if err := s.run(ctx, p); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	if err := s.facts(facts); err != nil {
		return err
	}
	return s.report(ctx, chosen)
}

func (s *suite) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.errs, format+"\n", args...) // nowhere left to tell
}

func (s *suite) file(p part) string { return filepath.Join(s.out, p.name+".txt") }

// run runs a part once and adds what it prints to its file.
func (s *suite) run(ctx context.Context, p part) error {
	length := fmt.Sprintf("%dx", max(1, int(float64(p.times)*s.scale)))
	if p.times == 0 {
		length = time.Duration(float64(p.time) * s.scale).String()
	}
	args := []string{
		s.binary, "-test.run=^$", "-test.timeout=0", "-test.benchtime=" + length,
		"-test.bench=" + p.pattern,
	}
	if p.oneCore {
		args = append([]string{"taskset", "-c", fmt.Sprint(measure.Cores()[0])}, args...)
	}
	f, err := os.OpenFile(s.file(p), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	err = s.start(ctx, "bench", f, args[0], args[1:]...)
	return errors.Join(err, f.Close())
}

// facts writes what the machine is, and what it did before and after.
func (s *suite) facts(before []measure.Fact) error {
	var b strings.Builder
	for _, f := range before {
		fmt.Fprintf(&b, "%s: %s\n", f.Key, f.Value)
	}
	for _, f := range measure.Moment() {
		fmt.Fprintf(&b, "%s-after: %s\n", f.Key, f.Value)
	}
	fmt.Fprintf(&b, "command: go run ./bench/suite -runs %d -time %g -parts '%s'\n",
		s.runs, s.scale, s.parts)
	return os.WriteFile(filepath.Join(s.out, "machine.txt"), []byte(b.String()), 0o644)
}

// report writes medians of what was run, those of one core apart.
func (s *suite) report(ctx context.Context, chosen []part) error {
	var text bytes.Buffer
	for _, q := range []struct {
		title   string
		oneCore bool
	}{{"Two cores", false}, {"One core", true}} {
		args := []string{"run", "./bench/report"}
		for _, p := range chosen {
			if p.oneCore == q.oneCore {
				args = append(args, s.file(p))
			}
		}
		if len(args) == 2 {
			continue
		}
		fmt.Fprintf(&text, "## %s\n\n", q.title)
		if err := s.start(ctx, ".", &text, "go", args...); err != nil {
			return fmt.Errorf("report: %w", err)
		}
		text.WriteByte('\n')
	}
	return os.WriteFile(filepath.Join(s.out, "report.md"), text.Bytes(), 0o644)
}

// command runs a command and passes on what it complains about.
func command(ctx context.Context, dir string, out io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, os.Stderr
	return cmd.Run()
}
