//go:build linux

package manager_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/channeltest"
	"shmring/internal/evidence"
	"shmring/internal/shmtest"
	"shmring/manager"
)

// manyProcess has many channels open, with a sender and a receiver that sleeps, says what
// that costs and ends them all.
var manyProcess = channeltest.Func("many channels",
	func(ctx context.Context, c *channeltest.Child) error {
		n, err := strconv.Atoi(c.Args[0])
		if err != nil {
			return err
		}
		return with(manager.Options{OpTimeout: -1}, func(m *manager.Manager) error {
			before, err := measure(m)
			if err != nil {
				return err
			}
			began := time.Now()
			received := make(chan error, n)
			opened := make(chan error, n)
			for i := range n {
				go func() { received <- exchange(ctx, m, fmt.Sprintf("c%04d", i), opened) }()
			}
			for range n {
				if err := <-opened; err != nil {
					return err
				}
			}
			opening := time.Since(began)
			open, err := measure(m)
			if err != nil {
				return err
			}
			report, err := m.Shutdown(ctx, manager.ShutdownOptions{})
			for range n {
				err = errors.Join(err, <-received)
			}
			if err != nil {
				return err
			}
			c.Say("%d %d %d", opening.Microseconds(), report.Elapsed.Microseconds(), report.Left)
			after, err := measure(m)
			if err != nil {
				return err
			}
			for i := range open {
				c.Say("%d %d %d", before[i], open[i], after[i])
			}
			return nil
		})
	})

// exchange sends and receives one message and then waits for the end of the channel.
func exchange(ctx context.Context, m *manager.Manager, name string, opened chan<- error) error {
	err := declare(m, name)
	if err == nil {
		err = sendNumbers(ctx, m, name, 1, 1)
	}
	if err != nil {
		opened <- err
		return err
	}
	return drainTo(ctx, m, name, func(channel.Message) error {
		opened <- nil
		return nil
	})
}

// costs are what measure returns, in this order.
var costs = []string{"resident_kib", "mapped_kib", "threads", "goroutines", "descriptors", "cpu_us"}

// measure looks at this process.
func measure(m *manager.Manager) ([]uint64, error) {
	runtime.GC()
	metrics, err := m.Metrics(context.Background(), nil)
	if err != nil {
		return nil, err
	}
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return nil, err
	}
	defer status.Close() //nolint:errcheck // it was read
	found := make(map[string]uint64)
	for lines := bufio.NewScanner(status); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if words := strings.Fields(value); len(words) > 0 {
			if n, err := strconv.ParseUint(words[0], 10, 64); err == nil {
				found[key] = n
			}
		}
	}
	files, err := os.ReadDir("/proc/self/fd")
	return []uint64{
		found["VmRSS"], metrics.Total.Mapped / 1024, found["Threads"],
		uint64(runtime.NumGoroutine()), uint64(len(files)), uint64(metrics.CPU.Microseconds()),
	}, err
}

// TestManyChannelsOfOneProcess measures; docs/OPERATIONS.md shows the figures of a thousand.
func TestManyChannelsOfOneProcess(t *testing.T) {
	shmtest.Watchdog(t, 10*time.Minute)
	started := time.Now()
	dir := channeltest.Setenv(t)
	n := evidence.Size(t, "manychannels", 100)
	p := manyProcess.Start(t, strconv.Itoa(n))
	scan := func(into ...any) {
		line, ok := p.Hear()
		if !ok {
			require.NoError(t, p.Wait())
		}
		_, err := fmt.Sscan(line, into...)
		require.NoError(t, err)
	}
	var opening, ending, left int64
	scan(&opening, &ending, &left)
	counts := map[string]int64{
		"channels": int64(n), "opening_us": opening, "shutdown_us": ending, "left": left,
	}
	t.Logf("%d channels: opened in %d µs, ended in %d µs", n, opening, ending)
	for _, what := range costs {
		var before, open, after int64
		scan(&before, &open, &after)
		t.Logf("%s: %d before, %d with all open, %d when all have ended", what, before, open, after)
		counts[what+"_before"], counts[what], counts[what+"_after"] = before, open, after
	}
	require.NoError(t, p.Wait())
	assert.Zero(t, left)
	empty(t, dir)
	evidence.Write(t, started, evidence.Record{
		Name: "manychannels", Title: "many channels open in one process, ended at once",
		Guarantees: []string{"G18"}, Counts: counts,
		Note: "each has 16 slots, no arena, a sender and a sleeping receiver; resident_kib " +
			"holds also the touched pages of the segments",
	})
}
