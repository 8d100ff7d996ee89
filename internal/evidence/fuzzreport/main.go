// Fuzzreport runs the fuzz targets of the module, one after the other, and writes down how
// much of each was tried.
//
//	go run ./internal/evidence/fuzzreport -time 10s [pattern]
//
// It finds the targets in the sources, so that a new one needs no entry in a list. The
// record fuzz.json is written if SHMRING_EVIDENCE names a directory and no target failed.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"time"

	"shmring/internal/evidence"
)

func main() {
	limit := flag.Duration("time", 10*time.Second, "how long each target runs")
	list := flag.Bool("list", false, "only list the targets")
	flag.Parse()
	if err := run(os.Stdout, *limit, *list, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzreport:", err)
		os.Exit(1) //nolint:forbidigo // the end of a program
	}
}

// run runs every target whose name the pattern matches.
func run(out io.Writer, limit time.Duration, list bool, pattern string) error {
	want, err := regexp.Compile(pattern)
	if err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	targets, err := find(os.DirFS("."))
	if err != nil {
		return err
	}
	started := time.Now()
	var results []result
	for _, t := range targets {
		switch {
		case !want.MatchString(t.name):
			continue
		case list:
			_, err = fmt.Fprintln(out, t)
		default:
			var r result
			r, err = fuzz(out, t, limit)
			results = append(results, r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if list {
		return nil
	}
	return evidence.Store(started, record(results))
}

// fuzz runs one target, copying what it prints.
func fuzz(out io.Writer, t target, limit time.Duration) (result, error) {
	args := []string{
		"test", "-run", "^$", "-fuzz", "^" + t.name + "$", "-fuzztime", limit.String(),
		"-fuzzminimizetime", "10x", "-tags", t.tags, t.pkg,
	}
	if _, err := fmt.Fprintf(out, "fuzz %s for %s\n", t, limit); err != nil {
		return result{}, err
	}
	p := &progress{out: out}
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = p, p
	began := time.Now()
	err := cmd.Run()
	r := p.result()
	r.target, r.seconds = t, time.Since(began).Seconds()
	return r, err
}
