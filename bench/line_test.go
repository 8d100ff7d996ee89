package bench

import (
	"slices"
	"time"
)

// The two cores of a virtual machine are not always equally far apart: whoever runs it
// moves them between parts of the processor that share a cache and parts that do not,
// and then everything that two processes share costs several times as much. So each run
// is told apart by a cache line that both sides pass to and fro, before and after what is
// measured; the time of that is reported as line-ns.

const (
	lineBlocks = 16
	lineTrips  = 128 // of a block
)

// passLine makes the round trips and returns the nanoseconds of one, as the median block
// has it: a block in which one side was interrupted does not count.
func passLine(w *words, first uint64) float64 {
	var blocks [lineBlocks]float64
	for i := range blocks {
		start := time.Now()
		for range lineTrips {
			_ = spinTrip(w, first) // it only looks
			first++
		}
		blocks[i] = float64(time.Since(start)) / lineTrips
	}
	slices.Sort(blocks[:])
	return blocks[lineBlocks/2]
}

// answerLine is the other side of passLine.
func answerLine(w *words, first uint64) {
	for n := range uint64(lineBlocks * lineTrips) {
		_ = spinAnswer(w, first+n) // it only looks
	}
}
