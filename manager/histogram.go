package manager

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets whose limits grow by a quarter of a power of two,
// so that a quantile is at most a fifth too large. Adding takes two atomic steps.
type histogram struct {
	buckets [4 * 64]atomic.Uint64
	sumNs   atomic.Uint64
}

func (h *histogram) add(d time.Duration) {
	h.sumNs.Add(uint64(max(d, 0)))
	h.buckets[bucketOf(uint64(max(d, 0)))].Add(1)
}

// bucketOf returns the bucket of a number of nanoseconds: the power of two, and the two bits
// below it.
func bucketOf(ns uint64) int {
	if ns < 4 {
		return int(ns)
	}
	power := bits.Len64(ns) - 1
	return 4*power + int(ns>>(power-2)&3)
}

// limitOf returns the largest number of nanoseconds in a bucket.
func limitOf(bucket int) uint64 {
	if bucket < 8 {
		return uint64(bucket) // of those below 4; the ones from 4 to 7 are empty
	}
	power := bucket / 4
	return (uint64(4+bucket%4)+1)<<(power-2) - 1
}

// A Latency is the distribution of the durations of operations.
type Latency struct {
	Count              uint64
	Sum                time.Duration
	P50, P90, P99, Max time.Duration // upper limits, at most a fifth too large

	// Below counts the operations that took less than LatencyLimit of the same index.
	Below [LatencyLimits]uint64
}

// LatencyLimits is how many steps the distribution in Latency.Below has.
const LatencyLimits = 14

// LatencyLimit returns the limits of Latency.Below: 1.024 µs for the first, and four times
// more for each of the others, up to 69 s.
func LatencyLimit(i int) time.Duration { return 1 << (10 + 2*i) }

// read takes a snapshot.
func (h *histogram) read() Latency {
	var counts [len(h.buckets)]uint64
	var l Latency
	for i := range h.buckets {
		counts[i] = h.buckets[i].Load()
		l.Count += counts[i]
	}
	l.Sum = time.Duration(min(h.sumNs.Load(), 1<<63-1))
	for i := range l.Below {
		for _, n := range counts[:bucketOf(uint64(LatencyLimit(i)))] {
			l.Below[i] += n
		}
	}
	seen := uint64(0)
	for i, n := range counts {
		if n == 0 {
			continue
		}
		seen += n
		limit := time.Duration(min(limitOf(i), 1<<63-1))
		for _, q := range []struct {
			at  *time.Duration
			num uint64
		}{{&l.P50, 50}, {&l.P90, 90}, {&l.P99, 99}} {
			if *q.at == 0 && seen*100 >= l.Count*q.num {
				*q.at = limit
			}
		}
		l.Max = limit
	}
	return l
}
