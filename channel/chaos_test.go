//go:build linux

package channel_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/history"
	"shmring/internal/shmtest"
)

// chaosLimit is when a run is taken for hanging; the test's own watchdog comes later.
const chaosLimit = 2 * time.Minute

// chaosMessages is about how many messages one run is planned for.
const chaosMessages = 6000

// TestChaosKeepsEveryPromise lets processes in all roles do everything at random beside
// somebody who kills, stops and slows them, run after run, until so many messages were
// verified. What all of them wrote down is checked after each run.
func TestChaosKeepsEveryPromise(t *testing.T) {
	channel.NoSlices()
	dir := shmtest.Dir(t)
	want := evidence.Size(t, "chaosmessages", 20000)
	started := time.Now()
	_, seed := shmtest.Rand(t)
	first := seed
	var counts chaosCounts
	var v history.Verdict
	endings := make(map[chaosEnding]int)
	for v.Messages < want {
		plan := newChaosPlan(seed, min(chaosMessages, want))
		runs, done := runChaos(t, dir, plan)
		for _, run := range runs {
			verdict := history.Check(run)
			require.Zero(t, verdict.Wrong(), "seed %d: %+v\n%s", seed, plan,
				strings.Join(verdict.Problems, "\n"))
			v.Add(verdict)
		}
		counts.add(done)
		endings[plan.Ending]++
		seed++
	}
	t.Logf("%d messages in %d runs, %d kills, %d stops, %d processes, %v; %v",
		v.Messages, seed-first, counts.kills, counts.stops, counts.processes,
		time.Since(started).Round(time.Millisecond), endings)
	evidence.Write(t, started, evidence.Record{
		Name:       "chaos",
		Title:      "processes in all roles, killed and stopped at random; histories checked",
		Guarantees: []string{"G1", "G2", "G3", "G4", "G5", "G8", "G10"},
		Seed:       first,
		Counts: map[string]int64{
			"messages": int64(v.Messages), "redelivered": int64(v.Redelivered),
			"maybe": int64(v.Maybe), "discarded": int64(v.Discarded),
			"kills": int64(counts.kills), "stops": int64(counts.stops),
			"processes": int64(counts.processes), "seeds": int64(seed - first),
			"reopened": int64(counts.reopened), "rollbacks": int64(counts.rollbacks),
			"recovered": int64(counts.recovered), "short": int64(v.Short),
			"lost": int64(v.Lost), "duplicated": int64(v.Duplicated), "torn": int64(v.Torn),
			"misordered": int64(v.Misordered), "phantom": int64(v.Phantom),
			"unsealed": int64(v.Unsealed), "hung": 0, "leaked": 0,
		},
		Note: "A run that hangs, or leaves a file or a process, fails: then there is no record.",
	})
}

// watch ends a run that hangs: it tells the state of all channels and the goroutines of
// all processes, and kills them. The returned function calls it off.
func (r *chaosRun) watch() func() {
	late := time.AfterFunc(chaosLimit+30*time.Second, func() {
		panic(fmt.Sprintf("seed %d hangs, and does not end", r.plan.Seed))
	})
	timer := time.AfterFunc(chaosLimit, func() {
		r.hangs.Store(true)
		text := r.dump()
		r.cancel(fmt.Errorf("seed %d hangs: %+v\n%s", r.plan.Seed, r.plan, text))
		for _, p := range r.live() {
			p.signal(syscall.SIGKILL)
		}
	})
	return func() { timer.Stop(); late.Stop() }
}

// dump says in which state everything is.
func (r *chaosRun) dump() string {
	var b strings.Builder
	for _, name := range r.names {
		ch, err := channel.Open(r.t.Context(), name, channel.OpenOptions{ReadOnly: true})
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
			continue
		}
		fmt.Fprintf(&b, "%s: %+v\n", name, ch.Stats())
		for _, p := range ch.Participants() {
			fmt.Fprintf(&b, "  %+v\n", p)
		}
		for _, h := range ch.History() {
			fmt.Fprintf(&b, "  %+v\n", h)
		}
		_ = ch.Close() // only looked at
	}
	for _, p := range r.live() {
		ops := p.log.Ops()
		fmt.Fprintf(&b, "%+v: %d operations, the last %+v\n", p.spec, len(ops),
			ops[max(0, len(ops)-3):])
		p.signal(syscall.SIGCONT)
		p.signal(syscall.SIGQUIT)
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
		}
		b.WriteString(p.stderr.String())
	}
	return b.String()
}

func TestSameSeedMakesTheSamePlan(t *testing.T) {
	for seed := range uint64(100) {
		plan, again := newChaosPlan(seed, 1000), newChaosPlan(seed, 1000)
		require.Equal(t, plan, again)
		again.Seed++
		require.NotEqual(t, plan, again)
	}
}

// TestHangOfARunIsTold looks at what the watchdog would write of a run that hangs.
func TestHangOfARunIsTold(t *testing.T) {
	dir := shmtest.Dir(t)
	plan := newChaosPlan(1, 1000)
	plan.Lanes, plan.Work.Receiver = 1, "recv"
	r := newChaosRun(t, dir, plan)
	defer r.end()
	r.openAll()
	r.startReceiver()
	awaitWaiting(t, r.chs[0], "data")
	r.receiver().signal(syscall.SIGSTOP)
	text := r.dump()
	for _, want := range []string{"State:ACTIVE", "Role:receiver", "goroutine ", ".Recv("} {
		require.Contains(t, text, want)
	}
	require.NoError(t, r.chs[0].Close())
}
