//go:build linux

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/history"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() { children["close-racer"] = childCloseRacer }

// A racer is one process that sends in round after round, each on a channel of its own,
// until it is refused.
type racer struct {
	conn   *shmtest.Conn
	hear   func() string
	stream int
	ch     *channel.Channel
	tx     *channel.Sender
	rng    *rand.Rand
	seq    int
	acked  []string // ranges of numbers that were accepted: first-last
	first  int      // of the range that grows; below zero: none
	tried  chan error
}

func childCloseRacer(c *shmtest.Conn, _ []string) error {
	channel.NoSlices()
	r := &racer{conn: c, hear: hearing(c)}
	for {
		var name, how string
		var seed uint64
		var sealAt int
		line := r.hear()
		if line == "end" {
			return nil
		}
		_, err := fmt.Sscan(line, &name, &r.stream, &how, &seed, &sealAt)
		if err == nil {
			err = r.round(name, how, seed, sealAt)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
}

// round takes part in one round. At its message sealAt, if that is not negative, the racer
// ends the channel itself, as how says, and goes on.
func (r *racer) round(name, how string, seed uint64, sealAt int) error {
	ctx := context.Background()
	var err error
	if r.ch, err = channel.Open(ctx, name, channel.OpenOptions{}); err != nil {
		return err
	}
	if r.tx, err = r.ch.Sender(ctx); err != nil {
		return err
	}
	r.rng = rand.New(rand.NewPCG(seed, uint64(r.stream)))
	r.seq, r.first, r.acked, r.tried = 0, -1, nil, make(chan error, 1)
	r.conn.Say("ready")
	r.hear()
	ending := false
	for over := false; !over; {
		if sealAt >= 0 && r.seq >= sealAt && !ending {
			ending = true
			go func() { r.tried <- endBy(ctx, r.ch, how) }()
		}
		if over, err = r.send(ctx); err != nil {
			return err
		}
	}
	r.stretch(false)
	if ending {
		err = <-r.tried
	}
	r.conn.Say("done %s", strings.Join(r.acked, ","))
	return errors.Join(err, r.tx.Close(), r.ch.Close())
}

// endBy ends a channel in one of the ways there are.
func endBy(ctx context.Context, ch *channel.Channel, how string) error {
	switch how {
	case "drain":
		return ch.Drain(ctx, nil)
	case "shutdown":
		_, err := ch.Shutdown(ctx, channel.ShutdownOptions{Reason: "race"})
		return err
	}
	return ch.Seal("race")
}

// send sends something in some way and reports whether the channel refused it.
func (r *racer) send(ctx context.Context) (over bool, err error) {
	n, done := 1, 1
	b := r.next()
	switch r.rng.IntN(8) {
	case 0:
		batch := [][]byte{b, r.next(), r.next()}
		n = len(batch)
		done, err = r.tx.SendBatch(ctx, batch)
	case 1:
		var l channel.Lease
		if l, err = r.tx.Reserve(ctx, len(b)); err == nil {
			err = l.Commit(copy(l.Bytes(), b))
		}
	case 2:
		if err = r.tx.TrySend(b); errors.Is(err, channel.ErrFull) {
			r.count(1, 0)
			return false, nil
		}
	default:
		err = r.tx.Send(ctx, b)
	}
	if err != nil && n == 1 {
		done = 0
	}
	r.count(n, done)
	if errors.Is(err, channel.ErrClosed) {
		return true, nil
	}
	return false, err
}

// next makes the next message.
func (r *racer) next() []byte {
	b := make([]byte, 16)
	history.Fill(b, history.MakeKey(r.stream, r.seq))
	r.seq++
	return b
}

// count notes that of the last n messages the first done were accepted.
func (r *racer) count(n, done int) {
	for i := range n {
		if i >= done {
			r.stretchTo(r.seq-n+i, false)
		} else {
			r.stretchTo(r.seq-n+i, true)
		}
	}
}

func (r *racer) stretchTo(seq int, accepted bool) {
	switch {
	case accepted && r.first < 0:
		r.first = seq
	case !accepted && r.first >= 0:
		r.acked = append(r.acked, fmt.Sprintf("%d-%d", r.first, seq-1))
		r.first = -1
	}
}

// stretch ends the range that grows.
func (r *racer) stretch(accepted bool) { r.stretchTo(r.seq, accepted) }

// closeRace is one round: all racers send, somebody ends the channel, and what arrives
// before the end is exactly what was accepted.
func (s *raceSet) closeRace(round int) (accepted int) {
	t, ctx := s.t, s.t.Context()
	defer s.watch(round)()
	ch, err := channel.Create(ctx, "race", channel.Options{
		Slots: pickOne(s.rng, 2, 8, 64, 256), ArenaBytes: channel.NoArena, SlotSize: 32,
		MaxParticipants: 16,
	})
	require.NoError(t, err)
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	how := pickOne(s.rng, "seal", "drain", "shutdown")
	closer := s.rng.IntN(len(s.racers) + 1) // the last: we
	for i, c := range s.racers {
		sealAt := -1
		if i == closer {
			sealAt = s.rng.IntN(64)
		}
		c.Say("race %d %s %d %d", i, how, s.seed+uint64(round), sealAt)
	}
	for _, c := range s.racers {
		c.Expect("ready")
	}
	got := make(chan received, 1)
	var wg sync.WaitGroup
	wg.Go(func() { got <- receiveAll(ctx, rx) })
	for _, c := range s.racers {
		c.Say("go")
	}
	if closer == len(s.racers) {
		for range s.rng.IntN(10000) {
			_ = ch.Name() // a delay of some ten microseconds, to hit anything
		}
		require.NoError(t, endBy(ctx, ch, how), "seed %d round %d", s.seed, round)
	}
	r := <-got
	wg.Wait()
	require.NoError(t, r.err, "seed %d round %d", s.seed, round)
	require.Contains(t, []state.State{state.Closing, state.Closed}, ch.State())
	for i, c := range s.racers {
		seqs := s.accepted(c)
		require.Equal(t, seqs, append([]int(nil), r.seqs[i]...),
			"what racer %d was told to be accepted, and what came; seed %d round %d",
			i, s.seed, round)
		accepted += len(seqs)
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	return accepted
}

// TestCloseRacesPartAcceptedFromRefused lets processes send against somebody, one of them
// or we, who seals, drains or shuts down, in round after round over fresh channels.
func TestCloseRacesPartAcceptedFromRefused(t *testing.T) {
	s := startRace(t, "close-racer", 3)
	rounds := evidence.Size(t, "closeraces", 500)
	started := time.Now()
	messages := 0
	for round := range rounds {
		messages += s.closeRace(round)
	}
	s.end()
	t.Logf("%d rounds, %d messages, %v", rounds, messages, time.Since(started))
	evidence.Write(t, started, evidence.Record{
		Name:       "closeraces",
		Title:      "senders of three processes against a seal, a drain or a shutdown",
		Guarantees: []string{"G5"},
		Seed:       s.seed,
		Counts: map[string]int64{
			"rounds": int64(rounds), "messages": int64(messages),
			"accepted and missing": 0, "refused and delivered": 0, "after the end": 0,
		},
		Note: "Each round: what was accepted came before the end, in order, and nothing else.",
	})
}
