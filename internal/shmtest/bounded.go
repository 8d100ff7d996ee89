package shmtest

import (
	"fmt"
	"runtime/metrics"
	"testing"
	"time"
)

// Bounded runs f, which works on bytes that somebody else chose, and fails the test if f
// allocates more than so many bytes. If f does not end within the limit, the whole test
// process does, with the stacks of all goroutines: that is what a fuzzer takes for a crash.
func Bounded(t testing.TB, limit time.Duration, bytes uint64, f func()) {
	t.Helper()
	timer := time.AfterFunc(limit, func() {
		panic(fmt.Sprintf("%s: an input took more than %v", t.Name(), limit))
	})
	defer timer.Stop()
	before := allocated()
	f()
	if spent := allocated() - before; spent > bytes {
		t.Errorf("allocated %d bytes, want at most %d", spent, bytes)
	}
}

// allocated returns how many bytes of heap this process has ever allocated.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
