//go:build fault

package channel_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/internal/evidence"
	"shmring/internal/shmtest"
)

// followers are who may come after somebody who was killed, to be killed as well: they
// settle, repair and take over.
var followers = []string{
	"settler", "receiver", "appender", "holder", "waiter", "sealer", "drainer", "closer",
	"forcer", "rollback", "recoverer",
}

// A killCampaign draws trials: the matrix in turn, then kills at any hit of any point, in
// chains of up to three victims.
type killCampaign struct {
	t       *testing.T
	rng     *rand.Rand
	all     []*killer
	want    int64
	began   time.Time
	told    time.Time
	singles []killJob      // of the matrix, not made yet
	hits    map[string]int // by role: the most points that one passed
	rows    []killRow

	followers []string
}

// hitsOf finds out how many points each conversation passes.
func (c *killCampaign) hitsOf(r killRow) {
	points, err := c.all[0].run(c.t.Context(), r, killStep{role: r.role})
	require.NoError(c.t, err)
	n := 0
	for _, k := range points {
		n += k
	}
	c.hits[r.role] = max(c.hits[r.role], n)
}

// anywhere is a rule that kills at any hit of any point, if there are so many.
func (c *killCampaign) anywhere(role string) killStep {
	hit := 1 + c.rng.IntN(max(c.hits[role], 40))
	return killStep{role, fmt.Sprintf("*:kill:%d", hit)}
}

// chains reports whether others may come after the victim of this row: it must be alone,
// and leave a channel.
func (r killRow) chains() bool {
	first := slices.Contains(followers, r.role)
	return first && !r.event && r.setting != absent && r.senders == 0 && !r.receiver
}

// draw makes up the next trial.
func (c *killCampaign) draw() killJob {
	if len(c.singles) > 0 {
		j := c.singles[0]
		c.singles = c.singles[1:]
		return j
	}
	r := c.rows[c.rng.IntN(len(c.rows))]
	steps := []killStep{c.anywhere(r.role)}
	if r.chains() {
		for range c.rng.IntN(3) {
			steps = append(steps, c.anywhere(c.followers[c.rng.IntN(len(c.followers))]))
		}
		if r.before != "" {
			steps = steps[:min(len(steps), 2)]
		}
	}
	return killJob{r, steps}
}

// next is draw until enough were killed, and tells now and then how far that is.
func (c *killCampaign) next() (killJob, bool) {
	kills := int64(0)
	for _, w := range c.all {
		kills += w.killed.Load()
	}
	if now := time.Now(); now.Sub(c.told) > 20*time.Second {
		c.told = now
		c.t.Logf("%d of %d kills, %.0f/s", kills, c.want,
			float64(kills)/now.Sub(c.began).Seconds())
	}
	if kills >= c.want {
		return killJob{}, false
	}
	return c.draw(), true
}

// TestKillsAnywhereInChains kills up to three processes in a row, each at a random point:
// the second while it repairs what the first left, or takes over. SHMRING_POINTKILLS says
// how many; from some thousand on it begins with the whole matrix.
func TestKillsAnywhereInChains(t *testing.T) {
	began := time.Now()
	want := evidence.Size(t, "pointkills", 150)
	rng, seed := shmtest.Rand(t)
	t.Logf("seed %d", seed)
	c := &killCampaign{
		t: t, rng: rng, all: killCrew(t), want: int64(want), began: began, told: began,
		hits: make(map[string]int), rows: matrix, followers: followers,
	}
	if only := os.Getenv("SHMRING_FOLLOWER"); only != "" {
		c.followers = []string{only}
	}
	opened := killOpenFiles(t)
	if want < 2000 {
		c.rows = slices.Clone(matrix)
		rng.Shuffle(len(c.rows), func(i, j int) { c.rows[i], c.rows[j] = c.rows[j], c.rows[i] })
		c.rows = c.rows[:12]
	}
	for _, r := range c.rows {
		c.hitsOf(r)
		if want >= 2000 {
			c.singles = append(c.singles, killFaults(t, c.all[0], r)...)
		}
	}
	killShared(t, c.all, c.next)
	require.Equal(t, opened, killOpenFiles(t), "files left open")
	total := sumKills(c.all)
	counts := map[string]int64{
		"kills": total.kills, "panicked": total.panics, "stops": total.stops,
		"trials": total.trials, "pairs": total.pairs, "triples": total.triples,
		"points": int64(len(sourcePoints(t))), "conversations": int64(len(c.rows)),
		"acked": total.acked, "delivered": total.delivered, "holes": total.holes,
		"lost": total.lost, "duplicated": total.duplicated, "torn": total.torn,
		"hung": total.hung, "leaked": total.leaked,
	}
	for role, n := range total.byRole {
		counts["kills_"+role] = n
	}
	t.Logf("%d kills, %d pairs, %d triples in %d trials, %.0f kills/s", total.kills,
		total.pairs, total.triples, total.trials,
		float64(total.kills)/time.Since(began).Seconds())
	evidence.Write(t, began, evidence.Record{
		Name:       "kills",
		Title:      "processes killed at every fault point, alone, in company and in chains",
		Guarantees: []string{"G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G12", "G17", "G18"},
		Seed:       seed,
		Counts:     counts,
		Note: "delivered counts what living receivers and victims got; a panic, on purpose, ends " +
			"a process after its deferred functions; a stop is continued, and nobody may be " +
			"robbed meanwhile; a trial that hangs, loses, repeats, tears or leaves something " +
			"ends the run",
	})
}

// killOpenFiles counts the descriptors of this process.
func killOpenFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(files)
}
