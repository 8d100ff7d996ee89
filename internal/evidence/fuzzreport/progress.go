package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"shmring/internal/evidence"
)

// A result is what one run of a target came to.
type result struct {
	target      target
	execs       int64 // inputs that were run
	interesting int64 // inputs of those that reached something new
	crashers    int64
	seconds     float64
}

// A progress copies what go test prints and understands it.
type progress struct {
	out  io.Writer
	text strings.Builder
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	p.text.Write(b)
	return p.out.Write(b)
}

var (
	execsLine   = regexp.MustCompile(`execs: (\d+) `)
	newLine     = regexp.MustCompile(`new interesting: (\d+) `)
	crasherLine = regexp.MustCompile(`Failing input written to`)
)

// result returns what the last line of progress said.
func (p *progress) result() result {
	text := p.text.String()
	return result{
		execs: last(execsLine, text), interesting: last(newLine, text),
		crashers: int64(len(crasherLine.FindAllString(text, -1))),
	}
}

// last returns the number in the last match, zero if there is none.
func last(re *regexp.Regexp, text string) int64 {
	all := re.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(all[len(all)-1][1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// record makes the evidence of all results.
func record(results []result) evidence.Record {
	r := evidence.Record{
		Name: "fuzz", Title: "inputs that a fuzzer made up, for each fuzz target",
		Guarantees: []string{"G14"}, Counts: map[string]int64{"targets": int64(len(results))},
	}
	var seconds float64
	for _, x := range results {
		r.Counts[x.target.name] = x.execs
		r.Counts["execs"] += x.execs
		r.Counts["new_interesting"] += x.interesting
		r.Counts["crashers"] += x.crashers
		seconds += x.seconds
	}
	r.Note = fmt.Sprintf("%.0f s of fuzzing, builds included; each target's number is its inputs",
		seconds)
	return r
}
