package bench

import (
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// spending is what a process has used up.
type spending struct {
	CPU      time.Duration // of all its threads
	Switches uint64        // context switches, wanted or not
	Mallocs  uint64
	Syscalls uint64 // of the path that is measured
}

// measured returns what this process has used up so far. Without syscalls, somebody else
// counts those.
func measured(syscalls func() uint64) spending {
	var s spending
	if syscalls != nil {
		s.Syscalls = syscalls()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.Mallocs = m.Mallocs
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err == nil {
		s.Switches = uint64(usage.Nvcsw + usage.Nivcsw)
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err == nil {
		s.CPU = time.Duration(ts.Nano())
	}
	return s
}

func (s spending) minus(o spending) spending {
	return spending{
		CPU: s.CPU - o.CPU, Switches: s.Switches - o.Switches, Mallocs: s.Mallocs - o.Mallocs,
		Syscalls: s.Syscalls - o.Syscalls,
	}
}

func (s spending) plus(o spending) spending {
	return spending{
		CPU: s.CPU + o.CPU, Switches: s.Switches + o.Switches, Mallocs: s.Mallocs + o.Mallocs,
		Syscalls: s.Syscalls + o.Syscalls,
	}
}

// report says what one message has cost both sides together.
func (s spending) report(r *run) {
	n := float64(r.n)
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
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	for _, ns := range t.ns {
		r.check(h.RecordValue(max(ns, 1)))
	}
	r.metric(float64(h.ValueAtQuantile(50)), "p50-ns")
	r.metric(float64(h.ValueAtQuantile(99)), "p99-ns")
	r.metric(float64(h.ValueAtQuantile(99.9)), "p99.9-ns")
	r.metric(clockCost(), "clock-ns")
}

// clockCost is what one reading of the clock takes, in nanoseconds.
func clockCost() float64 {
	const readings = 1 << 16
	base := time.Now()
	var last time.Duration
	for range readings {
		last = time.Since(base)
	}
	return float64(last) / readings
}
