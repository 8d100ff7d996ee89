// Campaign runs the engines that try to break the guarantees and publishes what they saw:
// a record for each in testdata/evidence, the table in docs/RELIABILITY.md, and the totals
// in README.md.
//
//	go run ./internal/evidence/campaign -size release   # hours; what is committed
//	go run ./internal/evidence/campaign -size small     # minutes
//	go run ./internal/evidence/campaign -only kills,chaos
//	go run ./internal/evidence/campaign -table          # only the documents, from the records
//
// It runs one engine after another and goes on after one that fails, so that a night is not
// lost; its exit status tells. An engine that fails leaves no record: the old one is
// removed before it begins.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"shmring/internal/evidence"
)

// recordDir is where records are kept, from the root of the module.
const recordDir = "testdata/evidence"

func main() {
	size := flag.String("size", "small", "small or release")
	only := flag.String("only", "", "comma-separated names of engines; empty: all")
	table := flag.Bool("table", false, "run nothing, only write the documents")
	logs := flag.String("logs", os.TempDir(), "directory of the engines' output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *size, *only, *logs, *table); err != nil {
		fmt.Fprintln(os.Stderr, "campaign:", err)
		stop()
		os.Exit(1) //nolint:forbidigo,gocritic // the end of a program; stop was called
	}
}

func run(ctx context.Context, size, only, logs string, table bool) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if table {
		return publish(root)
	}
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	if size != "small" && size != "release" {
		return fmt.Errorf("there is no size %q: small or release", size)
	}
	var failed []error
	for _, e := range chosen {
		if ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
		if _, ok := e.sizes[size]; !ok && only == "" {
			_, _ = fmt.Fprintf(os.Stdout, "%s: not at size %s\n", e.name, size) // as above
			continue
		}
		if err := e.run(ctx, os.Stdout, root, size, logs); err != nil {
			failed = append(failed, err)
			_, _ = fmt.Fprintln(os.Stdout, err) // it is returned too
		}
	}
	return errors.Join(append(failed, publish(root))...)
}

// choose returns the engines with the given names, in their own order.
func choose(only string) ([]engine, error) {
	if only == "" {
		return engines, nil
	}
	names := strings.Split(only, ",")
	var chosen []engine
	for _, e := range engines {
		if i := slices.Index(names, e.name); i >= 0 {
			names = slices.Delete(names, i, i+1)
			chosen = append(chosen, e)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("there is no engine %s", strings.Join(names, ", "))
	}
	return chosen, nil
}

// run runs one engine with its output in a file.
func (e engine) run(ctx context.Context, out io.Writer, root, size, logs string) error {
	env, ok := e.sizes[size]
	if !ok {
		return fmt.Errorf("%s: there is no size %q", e.name, size)
	}
	records := filepath.Join(root, recordDir)
	if err := os.MkdirAll(records, 0o755); err != nil { //nolint:gosec // read by all
		return err
	}
	for _, r := range e.records {
		if err := os.Remove(filepath.Join(records, r+".json")); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	path := filepath.Join(logs, "shmring-"+e.name+".log")
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // what it holds was reported by the engine
	cmd := exec.CommandContext(ctx, e.command[0], e.command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Dir = root
	cmd.Env = append(os.Environ(), evidence.DirVar+"="+records,
		evidence.CommitVar+"="+commit(ctx, root))
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	_, _ = fmt.Fprintf(out, "%s: %s\n", e.name, // a lost line costs nothing
		strings.Join(append(slices.Clone(env), e.command...), " "))
	err = cmd.Run()
	took := time.Since(began).Round(time.Second)
	if err != nil {
		return fmt.Errorf("%s failed after %v (%w): see %s", e.name, took, err, path)
	}
	for _, r := range e.records {
		if _, err := os.Stat(filepath.Join(records, r+".json")); err != nil {
			return fmt.Errorf("%s wrote no record %s: see %s", e.name, r, path)
		}
	}
	_, _ = fmt.Fprintf(out, "%s: passed in %v\n", e.name, took)
	return nil
}

// commit names the commit under test, with a mark if the tree differs from it by more than
// what a campaign writes.
func commit(ctx context.Context, root string) string {
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = root
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	name, err := git("rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changed, err := git("status", "--porcelain", "--", ".", ":!"+recordDir, ":!docs",
		":!README.md"); err != nil || changed != "" {
		name += "-dirty"
	}
	return name
}
