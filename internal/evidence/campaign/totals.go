package main

import (
	"fmt"
	"strings"

	"shmring/internal/evidence"
)

// mustBeZero are the counts that say that a guarantee was broken.
var mustBeZero = []string{
	"lost", "duplicated", "torn", "misordered", "phantom", "hung", "leaked", "panics", "untyped",
	"crashers", "survived", "violations", "late_stores", "errors", "unsealed",
	"accepted and missing", "after the end", "refused and delivered", "not linearizable",
	"asleep", "differences", "died", "phantoms", "second_winners", "left_behind",
	"lost_while_open", "segments_left", "unnamed", "disorder", "left", "mappings_more",
	"descriptors_more", "goroutines_more",
}

// totals is the summary of README: what was done in all, and what went wrong.
func totals(records []evidence.Record) string {
	sum := func(counts ...string) (n int64) {
		for _, r := range records {
			for _, c := range counts {
				n += r.Counts[c]
			}
		}
		return n
	}
	of := func(name string) evidence.Record {
		for _, r := range records {
			if r.Name == name {
				return r
			}
		}
		return evidence.Record{}
	}
	var b strings.Builder
	b.WriteString("| tried | times |\n|---|---:|\n")
	row := func(what string, n int64) {
		if n > 0 {
			fmt.Fprintf(&b, "| %s | %s |\n", what, group(n))
		}
	}
	row("processes killed in the middle of something, by all engines together", sum("kills"))
	row("messages verified byte by byte under chaos", of("chaos").Counts["messages"])
	row("histories that porcupine found linearizable", of("histories").Counts["histories"])
	row("races of senders against a close", of("closeraces").Counts["rounds"])
	row("executions of fuzz targets", of("fuzz").Counts["execs"])
	row("words stored into a live segment by a hostile writer", of("hostile").Counts["flips"])
	row("states of the protocol's models, all explored", of("models").Counts["states"])
	row("deliberate bugs (mutants), each found by the suite", of("mutants").Counts["killed"])
	wrong := sum(mustBeZero...)
	fmt.Fprintf(&b, "| **lost, duplicated, torn, out of order, hung, leaked, panicked** | **%s** |"+
		"\n", group(wrong))
	return b.String()
}
