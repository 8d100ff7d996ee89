//go:build fault

package channel_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/shmtest"
)

// These are the kills of processes that use an event: each part dies at every fault point
// that it passes, at the first hits, and a test looks at what becomes of the others.

func init() { children["event-victim"] = childEventVictim }

// victims are the parts that can be killed. They store how far they were acknowledged
// in the first word.
var victims = map[string]func(ctx context.Context, name string, acked *atomic.Uint64) error{}

func childEventVictim(c *shmtest.Conn, args []string) error {
	channel.NoSlices()
	words, err := shmtest.Words(args[1], 1)
	if err != nil {
		return err
	}
	passed := newRecorder()
	err = victims[args[2]](context.Background(), args[0], words[0])
	fault.SetHook(nil)
	for line := range strings.Lines(passed.String()) {
		c.Say("%s", strings.TrimSpace(line))
	}
	return err
}

// killPoints returns the points that a role passes, with the number of hits to try.
func killPoints(t *testing.T, role string, run func(t *testing.T, v *victim)) map[string]int {
	t.Helper()
	points := make(map[string]int)
	t.Setenv(envRecord, "1")
	run(t, &victim{role: role, points: points})
	t.Setenv(envRecord, "")
	require.NotEmpty(t, points)
	return points
}

// A victim is one process that is going to be killed.
type victim struct {
	role   string
	point  string
	hit    int
	points map[string]int // filled instead of a kill
	acked  *atomic.Uint64
	child  *shmtest.Child
}

func (v *victim) start(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "acked")
	words, err := shmtest.Words(path, 1)
	require.NoError(t, err)
	v.acked = words[0]
	if v.points == nil {
		t.Setenv(fault.EnvVar, fmt.Sprintf("%s:kill:%d", v.point, v.hit))
	}
	v.child = shmtest.Start(t, "event-victim", "q", path, v.role)
	t.Setenv(fault.EnvVar, "")
}

// await waits for the victim's end and collects what it recorded.
func (v *victim) await(t *testing.T) {
	t.Helper()
	require.NoError(t, v.end())
}

// end is await for a goroutine. That the victim was killed is no error.
func (v *victim) end() error {
	for {
		line, ok := v.child.Hear()
		if !ok {
			break
		}
		name, count, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(count)
		if err != nil {
			return fmt.Errorf("victim said %q: %w", line, err)
		}
		if v.points != nil {
			v.points[name] = min(n, maxHit)
		}
	}
	err := v.child.Wait()
	if err != nil && v.points == nil && strings.Contains(err.Error(), "killed") {
		return nil
	}
	return err
}

// killEverywhere runs a conversation once for each point and hit.
func killEverywhere(t *testing.T, role string, run func(t *testing.T, v *victim)) {
	t.Helper()
	channel.NoSlices()
	points := killPoints(t, role, run)
	names := make([]string, 0, len(points))
	for name := range points {
		names = append(names, name)
	}
	slices.Sort(names)
	kills := 0
	for _, name := range names {
		for hit := 1; hit <= points[name]; hit++ {
			t.Run(fmt.Sprintf("%s/%d", name, hit), func(t *testing.T) {
				run(t, &victim{role: role, point: name, hit: hit})
			})
			kills++
		}
	}
	t.Logf("%d kills at %d points", kills, len(names))
}
