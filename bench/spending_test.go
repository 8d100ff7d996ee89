package bench

import (
	"time"

	"shmring/internal/measure"
)

// spent reports what one message has cost both sides together.
func (r *run) spent(s measure.Spending) {
	n := float64(r.n)
	if r.took > 0 {
		r.metric(n/r.took.Seconds(), "msg/s")
	}
	r.metric(float64(s.CPU)/n, "cpu-ns/op")
	r.metric(float64(s.Switches)/n, "switches/op")
	r.metric(float64(s.Syscalls)/n, "syscalls/op")
	r.metric(float64(s.Mallocs)/n, "mallocs/op")
}

// maxTrips bounds the pass that times each round trip by itself.
const maxTrips = 1 << 18

// tripTimes is that pass. The clock is read once for each trip and costs some of the
// time that it measures: what it costs is reported with it.
type tripTimes struct {
	trip func(n uint64) error
	ns   []int64
}

func newTripTimes(r *run, trip func(n uint64) error) *tripTimes {
	return &tripTimes{trip: trip, ns: make([]int64, min(r.n, maxTrips))}
}

func (t *tripTimes) count() uint64 {
	if t == nil {
		return 0
	}
	return uint64(len(t.ns))
}

// take makes the trips, from number first on.
func (t *tripTimes) take(first uint64) error {
	if t == nil {
		return nil
	}
	base := time.Now()
	last := time.Since(base)
	for i := range t.ns {
		if err := t.trip(first + uint64(i)); err != nil {
			return err
		}
		now := time.Since(base)
		t.ns[i] = int64(now - last)
		last = now
	}
	return nil
}

func (t *tripTimes) report(r *run) {
	if t == nil {
		return
	}
	l := measure.NewLatency()
	for _, ns := range t.ns {
		l.Record(ns)
	}
	r.latency("", l)
	r.metric(measure.ClockCost(), "clock-ns")
}

// latency reports the points of a distribution for which there are enough times.
func (r *run) latency(prefix string, l *measure.Latency) {
	for _, p := range l.Percentiles() {
		r.metric(float64(p.NS), prefix+p.Name+"-ns")
	}
}
