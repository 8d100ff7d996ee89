package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorded is a suite whose commands are noted and not run.
func recorded(t *testing.T, o options) (*suite, *[]string) {
	t.Helper()
	var ran []string
	o.out = filepath.Join(t.TempDir(), "results")
	if o.parts == nil {
		o.parts = regexp.MustCompile(".")
	}
	s := &suite{options: o, binary: "/tmp/bench.test", errs: io.Discard}
	s.start = func(
		_ context.Context, dir string, out io.Writer, name string, args ...string,
	) error {
		ran = append(ran, dir+": "+name+" "+strings.Join(args, " "))
		_, err := fmt.Fprintln(out, "BenchmarkX 1 2 ns/op")
		return err
	}
	return s, &ran
}

func TestWholeSuiteIsRunAgainAndAgain(t *testing.T) {
	s, ran := recorded(t, options{runs: 2, scale: 1})
	require.NoError(t, s.all(t.Context()))
	require.Len(t, *ran, 2*len(parts)+2, "two reports")
	assert.Equal(t, (*ran)[0], (*ran)[len(parts)], "the first part of the second run")
	assert.Contains(t, (*ran)[0], "bench: /tmp/bench.test -test.run=^$ -test.timeout=0 "+
		"-test.benchtime=1s -test.bench=^Benchmark(Bare|Floor|")
	assert.Contains(t, (*ran)[len(parts)-1], "bench: taskset -c ")
	for _, p := range parts {
		text, err := os.ReadFile(s.file(p))
		require.NoError(t, err)
		assert.Equal(t, 2, strings.Count(string(text), "BenchmarkX"), p.name)
	}
	facts, err := os.ReadFile(filepath.Join(s.out, "machine.txt"))
	require.NoError(t, err)
	for _, key := range []string{"kernel: ", "go: ", "date: ", "date-after: ", "command: "} {
		assert.Contains(t, string(facts), key)
	}
	report, err := os.ReadFile(filepath.Join(s.out, "report.md"))
	require.NoError(t, err)
	assert.Contains(t, string(report), "## Two cores\n")
	assert.Contains(t, string(report), "## One core\n")
}

func TestPartsAreChosenAndLengthened(t *testing.T) {
	two := regexp.MustCompile("^(blobs|death)$")
	s, ran := recorded(t, options{runs: 1, scale: 0.5, parts: two})
	require.NoError(t, s.all(t.Context()))
	require.Len(t, *ran, 3)
	assert.Contains(t, (*ran)[0], "-test.benchtime=30s")
	assert.Contains(t, (*ran)[1], "-test.benchtime=50x")
	s, _ = recorded(t, options{runs: 1, scale: 1, parts: regexp.MustCompile("no such part")})
	require.Error(t, s.all(t.Context()))
}

// Old results never stay beside new ones.
func TestResultsBeginAnew(t *testing.T) {
	s, _ := recorded(t, options{runs: 1, scale: 1, parts: regexp.MustCompile("blobs")})
	require.NoError(t, s.all(t.Context()))
	require.NoError(t, s.all(t.Context()))
	text, err := os.ReadFile(filepath.Join(s.out, "blobs.txt"))
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(text), "BenchmarkX"))
}

// Every benchmark is in a part, and in no more than one of those for two cores.
func TestEveryBenchmarkIsInAPart(t *testing.T) {
	files, err := filepath.Glob("../*_test.go")
	require.NoError(t, err)
	name := regexp.MustCompile(`(?m)^func (Benchmark\w+)\(b`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			in := 0
			for _, p := range parts {
				first, _, more := strings.Cut(p.pattern, "/")
				if !p.oneCore && regexp.MustCompile(first).MatchString(m[1]) {
					in++
					if more {
						in = 1
					}
				}
			}
			assert.Equal(t, 1, in, m[1])
		}
	}
}

func TestFlagsThatMeanNothingAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-runs", "0"}, {"-time", "-1"}, {"-parts", "("}, {"more"}, {"-what"},
	} {
		_, err := parse(args, io.Discard)
		require.Error(t, err, "%v", args)
	}
	o, err := parse(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, 5, o.runs)
}
