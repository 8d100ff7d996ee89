// Command plot draws what package bench measured: the distribution of round trips, the
// throughput over the size of a message, and the CPU time over the rate. It reads the output of
// benchmarks, of any number of runs, and draws medians.
//
//	go run . -in ../results -out ../results
//
// It is a module of its own, so that nothing else depends on a library for pictures.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"shmring/internal/results"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

// run draws all pictures for which there are results.
func run(args []string, errs io.Writer) error {
	flags := flag.NewFlagSet("plot", flag.ContinueOnError)
	flags.SetOutput(errs)
	in := flags.String("in", "../results", "directory with the output of benchmarks, *.txt")
	out := flags.String("out", "../results", "directory for the pictures")
	kind := flags.String("kind", "svg", "svg or png")
	if err := flags.Parse(args); err != nil {
		return err
	}
	set, err := read(*in)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	drawn := 0
	for _, p := range pictures {
		lines := p.lines(set)
		if len(lines) == 0 {
			continue
		}
		if err := p.draw(lines, set, filepath.Join(*out, p.name+"."+*kind)); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		drawn++
	}
	if drawn == 0 {
		return errors.New("none of the benchmarks to be drawn is in the input")
	}
	return nil
}

// oneCore is the file of what ran on one core: another machine, so to say.
const oneCore = "one-core.txt"

// read reads the runs whose cores were near to each other.
func read(dir string) (*results.Set, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	set := results.New()
	for _, file := range files {
		if filepath.Base(file) == oneCore {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		err = set.Read(f)
		_ = f.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	near, _ := set.Split()
	near.Config = set.Config
	return near, nil
}
