//go:build linux

package channel_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/history"
	"shmring/internal/shmtest"
)

// hearing returns what hears the next line of the parent. A process that is busy with a
// round hears also that its parent is gone, and goes too.
func hearing(c *shmtest.Conn) func() string {
	lines := make(chan string)
	go func() {
		for {
			lines <- c.Hear()
		}
	}()
	return func() string { return <-lines }
}

// raceSet is the set of processes that race.
type raceSet struct {
	t      testing.TB
	racers []*shmtest.Child
	rng    *rand.Rand
	seed   uint64
}

func startRace(t testing.TB, role string, n int) *raceSet {
	t.Helper()
	channel.NoSlices()
	shmtest.Dir(t)
	s := &raceSet{t: t}
	s.rng, s.seed = shmtest.Rand(t)
	for range n {
		s.racers = append(s.racers, shmtest.Start(t, role))
	}
	return s
}

// end lets the processes end.
func (s *raceSet) end() {
	for _, c := range s.racers {
		c.Say("end")
		require.NoError(s.t, c.Wait())
	}
}

// watch is a watchdog of one round. The returned function calls it off.
func (s *raceSet) watch(round int) func() {
	timer := time.AfterFunc(limit, func() {
		panic(fmt.Sprintf("round %d of %s hangs: seed %d", round, s.t.Name(), s.seed))
	})
	return func() { timer.Stop() }
}

// accepted hears from a racer which of its messages were accepted.
func (s *raceSet) accepted(c *shmtest.Child) []int {
	s.t.Helper()
	line, ok := c.Hear()
	if !ok || !strings.HasPrefix(line, "done") {
		c.Kill()
		s.t.Fatalf("a racer said %q: %v", line, c.Wait())
	}
	var seqs []int
	for part := range strings.SplitSeq(strings.TrimSpace(strings.TrimPrefix(line, "done")), ",") {
		if part == "" {
			continue
		}
		var from, to int
		_, err := fmt.Sscanf(part, "%d-%d", &from, &to)
		require.NoError(s.t, err)
		for seq := from; seq <= to; seq++ {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// received is what a receiver got, by stream, until the end.
type received struct {
	seqs map[int][]int
	err  error
}

// receiveAll receives until the end, which has to be final.
func receiveAll(ctx context.Context, rx *channel.Receiver) received {
	r := received{seqs: make(map[int][]int)}
	for m, err := range rx.Messages(ctx) {
		if err != nil {
			r.err = err
			return r
		}
		k, named, ok := history.Verify(m.Bytes())
		if !named || !ok {
			r.err = fmt.Errorf("torn message %x", m.Bytes())
			return r
		}
		r.seqs[k.Stream()] = append(r.seqs[k.Stream()], k.Seq())
	}
	if _, err := rx.TryRecv(); err != io.EOF { //nolint:errorlint // returned bare
		r.err = fmt.Errorf("after the end came %w", err)
	}
	return r
}
