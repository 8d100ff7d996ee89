//go:build fault

package channel_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

// These tests kill a process at every fault point that its part of a conversation passes,
// at the first hits of each, and look at what becomes of the others (killfinish_test.go):
// the living go on; whoever comes next repairs, sends all sizes, receives all and ends the
// channel; what was acknowledged arrived, in order, whole, and not twice to one receiver;
// the changes of state were legal; nothing is left. A panic in the victim and a stop that
// is continued are tried at the same points: a panic ends like a kill, after the deferred
// functions; of a stop, nobody may be robbed.

// maxHit is how often a point is passed before its kills are given up.
const maxHit = 3

// killers is how many trials run at a time.
const killers = 10

// crew makes the workers of a test.
func killCrew(t testing.TB) []*killer {
	t.Helper()
	channel.NoSlices()
	channel.EagerToGiveBack()
	root := shmtest.Dir(t)
	all := make([]*killer, killers)
	for i := range all {
		all[i] = newKiller(t, root, i)
	}
	t.Cleanup(func() { leaveNothing(t, all) })
	return all
}

// A killJob is one trial to make.
type killJob struct {
	killRow
	steps []killStep
}

// share makes the trials of jobs by all workers. The first failure ends them.
func killShared(t testing.TB, all []*killer, jobs func() (killJob, bool)) {
	t.Helper()
	var mu sync.Mutex
	var failed error
	next := func() (killJob, bool) {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil {
			return killJob{}, false
		}
		return jobs()
	}
	var running sync.WaitGroup
	for _, w := range all {
		running.Go(func() {
			for j, ok := next(); ok; j, ok = next() {
				if _, err := w.run(t.Context(), j.killRow, j.steps...); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	running.Wait()
	require.NoError(t, failed)
}

// killFaults lists all trials of a row with one more fault: kills at the first hits of every
// point that it passes, panics and stops at the first.
func killFaults(t testing.TB, w *killer, r killRow) []killJob {
	t.Helper()
	points, err := w.run(t.Context(), r, killStep{role: r.role})
	require.NoError(t, err)
	require.NotEmpty(t, points)
	var jobs []killJob
	for _, name := range slices.Sorted(maps.Keys(points)) {
		for hit := 1; hit <= min(points[name], maxHit); hit++ {
			for _, action := range []string{"kill", "panic", "stop"} {
				if hit == 1 || action == "kill" {
					rule := fmt.Sprintf("%s:%s:%d", name, action, hit)
					jobs = append(jobs, killJob{r, []killStep{{r.role, rule}}})
				}
			}
		}
	}
	return jobs
}

// killAll makes all trials of the rows of some roles.
func killAll(t *testing.T, roles ...string) {
	t.Helper()
	all := killCrew(t)
	var jobs []killJob
	rows := 0
	for _, r := range matrix {
		if slices.Contains(roles, r.role) {
			jobs = append(jobs, killFaults(t, all[0], r)...)
			rows++
		}
	}
	require.NotZero(t, rows)
	killShared(t, all, func() (j killJob, ok bool) {
		if ok = len(jobs) > 0; ok {
			j, jobs = jobs[0], jobs[1:]
		}
		return j, ok
	})
	c := sumKills(all)
	t.Logf("%d kills, %d panics, %d stops in %d conversations; %d of %d ran unharmed",
		c.kills, c.panics, c.stops, rows, c.unharmed, c.trials)
}

func TestKillOfASenderAtEveryPoint(t *testing.T)   { killAll(t, "sender", "waiter", "racer") }
func TestKillOfAReceiverAtEveryPoint(t *testing.T) { killAll(t, "receiver", "holder") }
func TestKillOfAnAppenderAtEveryPoint(t *testing.T) {
	killAll(t, "appender", "selector")
}
func TestKillOfACloserAtEveryPoint(t *testing.T)    { killAll(t, "sealer", "drainer", "closer") }
func TestKillOfAForcerAtEveryPoint(t *testing.T)    { killAll(t, "forcer") }
func TestKillOfARollbackAtEveryPoint(t *testing.T)  { killAll(t, "rollback") }
func TestKillOfARecovererAtEveryPoint(t *testing.T) { killAll(t, "recoverer", "settler") }
func TestKillOfAnOpenerAtEveryPoint(t *testing.T)   { killAll(t, "creator", "opener", "remover") }
func TestKillOfAnAnnouncerAtEveryPoint(t *testing.T) {
	killAll(t, "announcer")
}

func TestKillOfAnEventsUserAtEveryPoint(t *testing.T) {
	killAll(t, "signaller", "listener", "overtaken", "eventopener")
}

// sum adds up what the workers counted.
func sumKills(all []*killer) tallies {
	total := tallies{byRole: make(map[string]int64)}
	for _, w := range all {
		c := &w.counts
		for _, p := range []struct{ to, from *int64 }{
			{&total.trials, &c.trials},
			{&total.kills, &c.kills},
			{&total.panics, &c.panics},
			{&total.stops, &c.stops},
			{&total.pairs, &c.pairs},
			{&total.triples, &c.triples},
			{&total.acked, &c.acked},
			{&total.delivered, &c.delivered},
			{&total.redelivered, &c.redelivered},
			{&total.lost, &c.lost},
			{&total.holes, &c.holes},
			{&total.duplicated, &c.duplicated},
			{&total.torn, &c.torn},
			{&total.hung, &c.hung},
			{&total.leaked, &c.leaked},
			{&total.unharmed, &c.unharmed},
		} {
			*p.to += *p.from
		}
		for role, n := range c.byRole {
			total.byRole[role] += n
		}
	}
	return total
}

// leaveNothing removes the workers' directories, which must be empty.
func leaveNothing(t testing.TB, all []*killer) {
	t.Helper()
	for _, w := range all {
		if err := w.close(); err != nil && !t.Failed() {
			t.Error(err)
		}
	}
}
