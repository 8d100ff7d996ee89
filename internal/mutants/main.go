//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"shmring/internal/evidence"
)

func main() {
	log.SetFlags(0)
	pattern := flag.String("run", "", "only mutants whose name matches this expression")
	short := flag.Bool("short", false, "only the first test of each")
	write := flag.Bool("write", false, "write "+tableFile)
	workers := flag.Int("workers", runtime.NumCPU(), "mutants at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *pattern, *short, *write, *workers)
	stop()
	if err != nil {
		log.Fatal("mutants: ", err)
	}
}

func run(ctx context.Context, pattern string, short, write bool, workers int) error {
	began := time.Now()
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	match, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	all, err := load(root)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "mutants-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // a temporary directory
	r := &runner{root: root, tmp: tmp, sound: make(map[string]*baseline)}
	results := r.all(ctx, all, match, short, workers)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	bad := 0
	for _, res := range results {
		if res.err != nil || res.survived() {
			bad++
		}
	}
	counts := tell(os.Stdout, results)
	if bad > 0 {
		return fmt.Errorf("%d of %d mutants not killed by each of their tests", bad, len(results))
	}
	if write {
		if err := writeTable(root, all, results); err != nil {
			return err
		}
	}
	if len(results) != len(all) || short {
		return nil // a record is of a whole run
	}
	return evidence.Store(began, evidence.Record{
		Name: "mutants", Title: "rules broken one at a time, and the tests that noticed",
		Guarantees: []string{"G1", "G2", "G3", "G4", "G5", "G6", "G7", "G10", "G12", "G13", "G16"},
		Counts:     counts,
		Note:       "docs/MUTANTS.md lists them; make mutants repeats it",
	})
}

// all tries the mutants that match, some at a time, and tells about each as it ends.
func (r *runner) all(
	ctx context.Context, all []mutant, match *regexp.Regexp, short bool, workers int,
) []result {
	var chosen []mutant
	for _, m := range all {
		if match.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	results := make([]result, len(chosen))
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				results[i] = r.try(ctx, chosen[i], short)
				_, _ = io.WriteString(os.Stderr, results[i].line()) // progress only
			}
		})
	}
	for i := range chosen {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

// line is one mutant's result for people.
func (r *result) line() string {
	m := &r.mutant
	switch {
	case r.err != nil:
		return fmt.Sprintf("%-28s ERROR %v\n", m.name, r.err)
	case len(m.edits) == 0:
		return fmt.Sprintf("%-28s -        %s%s\n", m.name, m.note, m.model)
	case r.survived():
		return fmt.Sprintf("%-28s SURVIVED %s; killed by: %s\n", m.name,
			strings.Join(r.passed, ", "), strings.Join(r.killed, ", "))
	}
	return fmt.Sprintf("%-28s killed   %5.1f s  %s\n", m.name, r.seconds,
		strings.Join(r.killed, ", "))
}

// tell prints all results in order and counts them.
func tell(w io.Writer, results []result) map[string]int64 {
	var b strings.Builder
	counts := map[string]int64{
		"mutants": 0, "killed": 0, "survived": 0, "errors": 0, "tests": 0, "explained": 0,
	}
	for _, r := range results {
		b.WriteString(r.line())
		counts["tests"] += int64(len(r.killed))
		switch {
		case r.err != nil:
			counts["errors"]++
		case len(r.mutant.edits) == 0:
			counts["explained"]++
			continue
		case r.survived():
			counts["survived"]++
		default:
			counts["killed"]++
		}
		counts["mutants"]++
	}
	fmt.Fprintf(&b, "%d mutants, %d killed, %d survived, %d errors\n",
		counts["mutants"], counts["killed"], counts["survived"], counts["errors"])
	_, _ = io.WriteString(w, b.String()) // for people
	return counts
}

// moduleRoot is the directory of go.mod above this one.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
		dir = up
	}
}
