// Command report reads the output of the benchmarks and prints it as Markdown: the
// machine, the medians of all runs, and what a channel costs beside the bare means that
// were measured in the same run.
//
//	go test -run '^$' -bench . -count 5 ./bench | go run ./bench/report
package main

import (
	"fmt"
	"io"
	"os"

	"shmring/internal/results"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run reads the named files, or in if there are none.
func run(names []string, in io.Reader, out io.Writer) error {
	set := results.New()
	if len(names) == 0 {
		if err := set.Read(in); err != nil {
			return err
		}
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = set.Read(f)
		_ = f.Close() // it was only read
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(set.Names) == 0 {
		return fmt.Errorf("no benchmark results in the input")
	}
	_, err := io.WriteString(out, report{set}.markdown())
	return err
}
