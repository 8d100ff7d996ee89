//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/shmtest"
)

func init() { children["leak"] = childLeak }

// childLeak makes a channel and an event, sends, and waits to be killed.
func childLeak(c *shmtest.Conn, _ []string) error {
	ctx := context.Background()
	ch, err := channel.OpenOrCreate(ctx, "q", channel.Options{Slots: 16})
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	e, err := channel.OpenOrCreateEvent(ctx, "e", channel.EventOptions{})
	if err != nil {
		return err
	}
	if _, err := e.Signal([]byte("x")); err != nil {
		return err
	}
	for range 3 {
		if err := tx.Send(ctx, []byte("x")); err != nil {
			return err
		}
	}
	if _, err := tx.Reserve(ctx, 100); err != nil { // a hole is left as well
		return err
	}
	c.Say("up")
	c.Hear()
	return errors.New("told to go on")
}

// survive is one cycle: a child is killed, and this process uses what it left. Beside is
// whether it was attached before.
func survive(t *testing.T, beside bool) {
	t.Helper()
	ctx := t.Context()
	child := shmtest.Start(t, "leak")
	child.Expect("up")
	var ch *channel.Channel
	var err error
	if beside {
		ch, err = channel.Open(ctx, "q", channel.OpenOptions{})
		require.NoError(t, err)
	}
	child.Kill()
	if !beside {
		ch, err = channel.OpenOrCreate(ctx, "q", channel.Options{Slots: 16})
		require.NoError(t, err)
	}
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	for range 3 {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		m.Release()
	}
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrPeerDead)
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	e, err := channel.OpenEvent(ctx, "e", channel.OpenOptions{})
	require.NoError(t, err)
	require.NoError(t, e.Close()) // the last one out
}

// holdings are what this process has.
type holdings struct {
	files, maps, threads, goroutines, segments int
	residentKiB                                int
}

func (h holdings) String() string {
	return fmt.Sprintf("%d descriptors, %d mappings, %d threads, %d goroutines, %d segments, "+
		"%d KiB", h.files, h.maps, h.threads, h.goroutines, h.segments, h.residentKiB)
}

// hold counts what is held, when all that is on its way out has gone.
func hold(t *testing.T, dir string, goroutines int) (h holdings) {
	t.Helper()
	for h.goroutines = runtime.NumGoroutine(); h.goroutines > goroutines && goroutines > 0; {
		shmtest.Yield() // a watchdog ends that
		h.goroutines = runtime.NumGoroutine()
	}
	debug.FreeOSMemory()
	count := func(dir string) int {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		return len(entries)
	}
	h.files, h.threads = count("/proc/self/fd"), count("/proc/self/task")
	h.segments = count(dir)
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	h.maps = bytes.Count(maps, []byte("shmring-test-")) // of segments, whatever the runtime maps
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	h.residentKiB, err = strconv.Atoi(strings.Fields(rss)[0])
	require.NoError(t, err)
	return h
}

// TestWhoSurvivesManyDeathsHoldsNoMoreThanBefore kills a process that made, sent and
// signalled, again and again, beside one that takes over what was left.
func TestWhoSurvivesManyDeathsHoldsNoMoreThanBefore(t *testing.T) {
	dir := shmtest.Dir(t)
	shmtest.Watchdog(t, 12*time.Hour)
	started := time.Now()
	cycles := evidence.Size(t, "leakcycles", 60)
	var before, after holdings
	run := func(n int) {
		// In parts, since a test keeps something of each child until it ends.
		for done := 0; done < n; done += 50 {
			t.Run("part", func(t *testing.T) {
				for i := range min(50, n-done) {
					survive(t, i%2 == 0)
				}
			})
		}
	}
	run(min(cycles, 20)) // until whatever is made once has been made
	before = hold(t, dir, 0)
	run(cycles)
	after = hold(t, dir, before.goroutines)
	what := fmt.Sprintf("before: %v; after %d cycles: %v", before, cycles, after)
	t.Log(what)
	require.Zero(t, after.segments, what)
	require.LessOrEqual(t, after.files, before.files, what)
	require.LessOrEqual(t, after.maps, before.maps, what)
	require.LessOrEqual(t, after.goroutines, before.goroutines, what)
	const moreThreads, moreKiB = 8, 16 << 10 // the runtime keeps what it had at its busiest
	require.LessOrEqual(t, after.threads, before.threads+moreThreads, what)
	require.LessOrEqual(t, after.residentKiB, before.residentKiB+moreKiB, what)
	evidence.Write(t, started, evidence.Record{
		Name: "leaks", Title: "cycles of create and kill beside a process that survives",
		Guarantees: []string{"G18"}, Counts: map[string]int64{
			"kills": int64(cycles), "segments_left": int64(after.segments),
			"mappings_more":    int64(max(0, after.maps-before.maps)),
			"descriptors_more": int64(max(0, after.files-before.files)),
			"goroutines_more":  int64(max(0, after.goroutines-before.goroutines)),
			"threads_more":     int64(after.threads - before.threads),
			"resident_KiB":     int64(after.residentKiB - before.residentKiB),
		},
		Note: what,
	})
}
