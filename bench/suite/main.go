// Command suite runs all benchmarks several times, for figures to be published: the whole
// again and again rather than each several times, so that all see the same moods of the
// machine. It writes what they print into a directory, a file for each part of the suite,
// beside the facts of the machine and a report with medians.
//
//	go run ./bench/suite -runs 5 -out bench/results
//
// It takes hours. The machine should do nothing else meanwhile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	runs  int
	out   string
	scale float64
	parts *regexp.Regexp
}

func parse(args []string, errs io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("suite", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.IntVar(&o.runs, "runs", 5, "how often")
	flags.StringVar(&o.out, "out", "bench/results", "directory for the results")
	flags.Float64Var(&o.scale, "time", 1, "how much longer than planned each benchmark takes")
	parts := flags.String("parts", ".", "regular expression for the names of the parts to run")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.runs < 1 || o.scale <= 0 || flags.NArg() > 0 {
		return o, errors.New("-runs is 1 or more, -time above 0, and nothing else is given")
	}
	o.parts, err = regexp.Compile(*parts)
	return o, err
}

// run builds the benchmarks, runs the chosen parts and writes the report.
func run(ctx context.Context, args []string, errs io.Writer) error {
	o, err := parse(args, errs)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "shmring-suite-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory for temporary files
	s := &suite{options: o, binary: dir + "/bench.test", errs: errs, start: command}
	if err := s.start(ctx, ".", errs, "go", "test", "-c", "-o", s.binary, "./bench"); err != nil {
		return fmt.Errorf("build the benchmarks: %w", err)
	}
	return s.all(ctx)
}
