package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/race"
	"shmring/internal/shmtest"
)

// A hostile is one run of this: somebody who may write to the segments of a channel and
// of an event stores anything anywhere, all the time, while others make every public call.
// Each call must return a value or an error of the package, by its deadline, and must not
// panic; what it hands out must lie in its segment.
type hostile struct {
	t     testing.TB
	seed  uint64
	round int
	stop  chan struct{}
	once  *sync.Once // closes stop
	opts  channel.Options

	flippers [2]*flipper // of the channel and of the event

	calls, flips, panics, untyped atomic.Int64

	mu     sync.Mutex
	made   map[string]int // calls by name
	late   []time.Duration
	latest time.Duration
	errors []string
}

// fail notes what must not be.
func (h *hostile) fail(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errors = append(h.errors, fmt.Sprintf(format, args...))
}

func (h *hostile) rand(who uint64) *rand.Rand {
	return rand.New(rand.NewPCG(h.seed+uint64(h.round), who))
}

// end ends the round.
func (h *hostile) end() { h.once.Do(func() { close(h.stop) }) }

// over reports whether the round ends.
func (h *hostile) over() bool {
	select {
	case <-h.stop:
		return true
	default:
		return false
	}
}

// typedErrors are those that a caller may test for.
var typedErrors = []error{
	channel.ErrClosed, channel.ErrDraining, channel.ErrState, channel.ErrFull, channel.ErrEmpty,
	channel.ErrTooBig, channel.ErrPeerDead, channel.ErrBusy, channel.ErrCorrupt, channel.ErrFault,
	channel.ErrLayout, channel.ErrOrphaned, channel.ErrStale, channel.ErrNoSpace,
	channel.ErrNoHolder, context.DeadlineExceeded, context.Canceled, fs.ErrExist,
	fs.ErrNotExist, fs.ErrInvalid,
}

// typed returns why err is none that a caller may test for; nil if it is one.
func typed(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // it is returned bare
		return nil
	}
	if _, ok := errors.AsType[*channel.OpError](err); !ok {
		return fmt.Errorf("no *OpError: %w", err)
	}
	for _, want := range typedErrors {
		if errors.Is(err, want) {
			return nil
		}
	}
	return fmt.Errorf("of no exported kind: %w", err)
}

// maxLate is how many times are kept.
const maxLate = 1 << 18

// call makes one call, whose deadline is in a few milliseconds.
func (h *hostile) call(rnd *rand.Rand, name string, f func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Duration(rnd.IntN(6))*time.Millisecond)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			h.panics.Add(1)
			h.fail("%s panics: %v\n%s", name, r, debug.Stack())
		}
	}()
	h.calls.Add(1)
	err := f(ctx)
	end, _ := ctx.Deadline()
	h.mu.Lock()
	h.made[name]++
	late := max(0, time.Since(end))
	h.latest = max(h.latest, late)
	if len(h.late) < maxLate {
		h.late = append(h.late, late)
	} else { // an even sample of all
		h.late[rnd.IntN(maxLate)] = late
	}
	h.mu.Unlock()
	if bad := typed(err); bad != nil {
		h.untyped.Add(1)
		h.fail("%s: %v", name, bad)
	}
}

// geometries are what the channels of the rounds look like.
func (h *hostile) geometry() channel.Options {
	return []channel.Options{
		{Slots: 4, SlotSize: 32, ArenaBytes: 4096, MaxParticipants: 6},
		{Slots: 16, ArenaBytes: channel.NoArena, MaxParticipants: 8, Kind: channel.SPSC},
		{Slots: 8, ArenaBytes: 8192, MaxParticipants: 8, Checksums: true, Timestamps: true},
		{Slots: 64, ArenaBytes: 64 << 10, OpenOptions: channel.OpenOptions{Guard: true}},
		{Slots: 1, SlotSize: 16, ArenaBytes: 4096, Lifetime: channel.Persistent},
	}[h.round%5]
}

// run makes one round.
func (h *hostile) run(dir string, length time.Duration) {
	h.opts, h.stop, h.once = h.geometry(), make(chan struct{}), new(sync.Once)
	ctx := h.t.Context()
	keep, err := channel.Create(ctx, "q", h.opts) // so that the file stays
	require.NoError(h.t, err)
	event, err := channel.CreateEvent(ctx, "e", channel.EventOptions{MaxParticipants: 8})
	require.NoError(h.t, err)
	var wg sync.WaitGroup
	for i, path := range []string{keep.Path(), event.Path()} {
		h.flippers[i] = newFlipper(h.t, path, h.rand(uint64(i)))
		wg.Go(func() { h.flip(h.flippers[i]) })
	}
	for i, role := range []func(*party){
		(*party).send, (*party).send, (*party).receive, (*party).receive, (*party).observe,
		(*party).control, (*party).control, (*party).open, (*party).event, (*party).event,
	} {
		wg.Go(func() { h.party(uint64(i+2), role) })
	}
	timer := time.AfterFunc(length, h.end)
	wg.Wait()
	timer.Stop()
	for _, f := range h.flippers {
		require.NoError(h.t, f.mem.Unmap())
	}
	rnd := h.rand(99)
	h.call(rnd, "Event.Close", func(context.Context) error { return event.Close() })
	h.call(rnd, "Channel.Close", func(context.Context) error { return keep.Close() })
	left, err := filepath.Glob(filepath.Join(dir, "shmring.*"))
	require.NoError(h.t, err)
	for _, path := range left { // damage may have kept the last one out from removing it
		require.NoError(h.t, os.Remove(path))
	}
}

func TestHostileWriterBesideEveryCall(t *testing.T) {
	if race.Enabled && os.Getenv("SHMRING_RACE_VISIBLE") != "0" {
		t.Skip("his stores break what the detector sees: TestHostileWriterOnPlainMappings runs it")
	}
	started := time.Now()
	seconds := evidence.Size(t, "hostileseconds", 3)
	if testing.Short() || race.Enabled {
		seconds = min(seconds, 1)
	}
	shmtest.Watchdog(t, time.Duration(seconds)*time.Second+2*time.Minute)
	dir := shmtest.Dir(t)
	_, seed := shmtest.Rand(t)
	h := &hostile{t: t, seed: seed, made: make(map[string]int)}
	files, routines := openFiles(t), runtime.NumGoroutine()
	for time.Since(started) < time.Duration(seconds)*time.Second {
		h.run(dir, 100*time.Millisecond)
		h.round++
		for _, text := range h.errors[:min(3, len(h.errors))] {
			t.Errorf("seed %d, round %d: %s", seed, h.round, text)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	awaitEqual(t, files, func() int { return openFiles(t) }, "descriptors")
	awaitEqual(t, routines, runtime.NumGoroutine, "goroutines")
	h.requireAllCalls(t)
	millis := evidence.Quantiles(h.late)
	millis["max"] = float64(h.latest.Microseconds()) / 1000
	evidence.Write(t, started, evidence.Record{
		Name:       "hostile",
		Title:      "somebody stores anything into a live segment beside every public call",
		Guarantees: []string{"G14"}, Seed: seed,
		Counts: map[string]int64{
			"rounds": int64(h.round), "calls": h.calls.Load(), "flips": h.flips.Load(),
			"public_calls": int64(len(h.made)), "panics": h.panics.Load(),
			"untyped": h.untyped.Load(), "hung": 0,
		},
		Millis: millis,
		Note: "millis: how long after its deadline a call returned; those without a deadline " +
			"of their own are measured from one of at most 5 ms",
	})
}

// requireAllCalls asks for a run that is long enough to have made every call.
func (h *hostile) requireAllCalls(t *testing.T) {
	t.Helper()
	if h.round < 20 {
		return
	}
	var missing []string
	for name := range exercised {
		if h.made[name] == 0 {
			missing = append(missing, name)
		}
	}
	require.Empty(t, missing, "never called")
}

// openFiles counts the descriptors and mappings of segments of this process.
func openFiles(t testing.TB) int {
	t.Helper()
	n := 0
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "shmring-test-") && strings.Contains(line, "shmring.") {
			n++
		}
	}
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		target, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && strings.Contains(target, "/shmring.") {
			n++
		}
	}
	return n
}

// awaitEqual waits until what is counted is what it was: goroutines end a moment later
// than the call that ended them. The watchdog ends the wait for what never ends.
func awaitEqual(t testing.TB, want int, count func() int, what string) {
	t.Helper()
	for range 200 {
		if count() <= want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.LessOrEqual(t, count(), want, what)
}
