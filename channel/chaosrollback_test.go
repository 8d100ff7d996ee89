//go:build linux

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/history"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() {
	children["rollback-racer"] = childRollbackRacer
	children["rollback-sender"] = childRollbackSender
}

// childRollbackRacer shuts channels down with a deadline at which it takes that back, until
// the end comes first. It tells for each channel how often it took it back.
func childRollbackRacer(c *shmtest.Conn, _ []string) error {
	channel.NoSlices()
	ctx := context.Background()
	hear := hearing(c)
	for {
		line := hear()
		if line == "end" {
			return nil
		}
		var name string
		var seed uint64
		if _, err := fmt.Sscan(line, &name, &seed); err != nil {
			return err
		}
		ch, err := channel.Open(ctx, name, channel.OpenOptions{})
		if err != nil {
			return err
		}
		rng := rand.New(rand.NewPCG(seed, 3))
		c.Say("ready")
		hear()
		back := 0
		for over := false; !over; {
			within := time.Duration(rng.IntN(100)) * time.Microsecond
			hurry, cancel := context.WithTimeout(ctx, within)
			_, err := ch.Shutdown(hurry, channel.ShutdownOptions{AtDeadline: channel.Rollback})
			cancel()
			switch {
			case err == nil, errors.Is(err, channel.ErrState), errors.Is(err, channel.ErrClosed):
				over = true // drained, or the receiver was at the end
			case errors.Is(err, channel.ErrBusy): // another control operation: once more
			case errors.Is(err, context.DeadlineExceeded):
				back++
			default:
				return err
			}
		}
		c.Say("%d", back)
		if err := ch.Close(); err != nil {
			return err
		}
	}
}

// childRollbackSender sends, whatever is said, until the channel is closed for good.
func childRollbackSender(c *shmtest.Conn, _ []string) error {
	channel.NoSlices()
	ctx := context.Background()
	r := &racer{conn: c, hear: hearing(c)}
	for {
		line := r.hear()
		if line == "end" {
			return nil
		}
		var name string
		var seed uint64
		_, err := fmt.Sscan(line, &name, &r.stream, &seed)
		if err != nil {
			return err
		}
		if r.ch, err = channel.Open(ctx, name, channel.OpenOptions{}); err != nil {
			return err
		}
		if r.tx, err = r.ch.Sender(ctx); err != nil {
			return err
		}
		r.rng = rand.New(rand.NewPCG(seed, uint64(r.stream)))
		r.seq, r.first, r.acked = 0, -1, nil
		c.Say("ready")
		r.hear()
		for over := false; !over; {
			if r.rng.IntN(16) == 0 { // the receiver has to see an empty ring now and then
				time.Sleep(time.Duration(r.rng.IntN(300)) * time.Microsecond)
			}
			over, err = r.send(ctx)
			if errors.Is(err, channel.ErrState) {
				err = nil // half-way back
			}
			if over && r.ch.State() != state.Closing && r.ch.State() != state.Closed {
				over = false
			}
			if err != nil {
				return err
			}
		}
		r.stretch(false)
		c.Say("done %s", strings.Join(r.acked, ","))
		if err := errors.Join(r.tx.Close(), r.ch.Close()); err != nil {
			return err
		}
	}
}

// rollbackRace is one round: a receiver holds the last message that it got, so that a
// shutdown waits for it while it is at the end already.
func (s *raceSet) rollbackRace(round int) (back, messages int) {
	t, ctx := s.t, s.t.Context()
	defer s.watch(round)()
	ch, err := channel.Create(ctx, "race", channel.Options{
		Slots: pickOne(s.rng, 4, 64), ArenaBytes: channel.NoArena, SlotSize: 32,
		MaxParticipants: 16,
	})
	require.NoError(t, err)
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	closer, senders := s.racers[0], s.racers[1:]
	closer.Say("race %d", s.seed+uint64(round))
	for i, c := range senders {
		c.Say("race %d %d", i, s.seed+uint64(round))
	}
	for _, c := range s.racers {
		c.Expect("ready")
	}
	for _, c := range s.racers {
		c.Say("go")
	}
	got := make(map[int][]int)
	var last channel.Message
	for {
		m, err := rx.Recv(ctx)
		if err == io.EOF { //nolint:errorlint // returned bare
			break
		}
		require.NoError(t, err, "seed %d round %d", s.seed, round)
		k, named, ok := history.Verify(m.Bytes())
		require.True(t, named && ok)
		got[k.Stream()] = append(got[k.Stream()], k.Seq())
		last.Release()
		last = m
		if s.rng.IntN(16) == 0 { // now and then the deadline comes before the end
			time.Sleep(time.Duration(s.rng.IntN(500)) * time.Microsecond)
		}
	}
	line, ok := closer.Hear()
	require.True(t, ok, "%v", closer)
	_, err = fmt.Sscan(line, &back)
	require.NoError(t, err)
	for i, c := range senders {
		seqs := s.accepted(c)
		require.Equal(t, seqs, append([]int(nil), got[i]...),
			"what sender %d was told to be accepted, and what came; seed %d round %d",
			i, s.seed, round)
		messages += len(seqs)
	}
	_, err = rx.TryRecv()
	require.Equal(t, io.EOF, err, "the end is final")
	last.Release()
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	return back, messages
}

// TestEndBesideARollbackIsFinal lets a process shut down and take that back, again and
// again, beside senders and a receiver that comes to the end now and then: whenever it is
// told the end, nothing is accepted any more and nothing is taken back.
func TestEndBesideARollbackIsFinal(t *testing.T) {
	s := startRace(t, "rollback-sender", 2)
	s.racers = append([]*shmtest.Child{shmtest.Start(t, "rollback-racer")}, s.racers...)
	rounds := evidence.Size(t, "rollbackraces", 100)
	started := time.Now()
	back, messages := 0, 0
	for round := range rounds {
		b, n := s.rollbackRace(round)
		back, messages = back+b, messages+n
	}
	s.end()
	t.Logf("%d rounds, %d taken back, %d messages, %v", rounds, back, messages,
		time.Since(started))
	evidence.Write(t, started, evidence.Record{
		Name:       "rollbackraces",
		Title:      "a receiver at the end, in another process than a shutdown that is taken back",
		Guarantees: []string{"G5", "G6"},
		Seed:       s.seed,
		Counts: map[string]int64{
			"rounds": int64(rounds), "taken back": int64(back), "messages": int64(messages),
			"accepted and missing": 0, "refused and delivered": 0, "after the end": 0,
		},
	})
}
