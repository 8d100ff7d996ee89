//go:build linux

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/shmtest"
)

func init() {
	children["storm"] = childStorm
	children["sweep"] = childSweep
}

// childStorm makes or joins a channel each time it is told to, says which one, and leaves
// when it is told to.
func childStorm(c *shmtest.Conn, _ []string) error {
	ctx := context.Background()
	c.Say("ready")
	for {
		how := c.Hear()
		ch, err := channel.Create(ctx, "q", small(channel.Ephemeral))
		word := "won"
		if errors.Is(err, fs.ErrExist) {
			word = "joined"
			if how == "adopt" {
				ch, err = channel.OpenOrCreate(ctx, "q", small(channel.Ephemeral))
			} else {
				ch, err = channel.Open(ctx, "q", channel.OpenOptions{})
			}
		}
		if err != nil {
			return err
		}
		c.Say("%s %x", word, ch.Instance())
		c.Hear()
		if err := ch.Close(); err != nil {
			return err
		}
		c.Say("left")
	}
}

// TestOfManyProcessesOneCreatesAndTheLastRemoves has 32 processes create, attach and leave
// at once, round after round: each round has one winner, whom all others join, and leaves
// nothing.
func TestOfManyProcessesOneCreatesAndTheLastRemoves(t *testing.T) {
	const processes = 32
	dir := shmtest.Dir(t)
	shmtest.Watchdog(t, 12*time.Hour)
	started := time.Now()
	rounds := evidence.Size(t, "stormrounds", 25)
	all := make([]*shmtest.Child, processes)
	for i := range all {
		all[i] = shmtest.Start(t, "storm")
	}
	for _, c := range all {
		c.Expect("ready")
	}
	tell := func(word string) {
		for _, c := range all {
			c.Say("%s", word)
		}
	}
	for round := range rounds {
		tell([]string{"open", "adopt"}[round%2])
		won := ""
		joined := make(map[string]bool)
		for _, c := range all {
			line, ok := c.Hear()
			require.True(t, ok, "round %d: %s", round, c)
			word, id, _ := strings.Cut(line, " ")
			if word == "won" {
				require.Empty(t, won, "round %d: two winners", round)
				won = id
			}
			joined[id] = true
		}
		require.NotEmpty(t, won, "round %d: nobody won", round)
		require.Len(t, joined, 1, "round %d: they did not meet", round)
		tell("leave")
		for _, c := range all {
			c.Expect("left")
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "round %d", round)
	}
	evidence.Write(t, started, evidence.Record{
		Name: "storm", Title: "processes create, attach to and leave one name at once",
		Guarantees: []string{"G12", "G18"}, Counts: map[string]int64{
			"processes": processes, "rounds": int64(rounds), "winners": int64(rounds),
			"second_winners": 0, "left_behind": 0,
		},
	})
}

// childSweep creates, opens and removes one name at random, so often as is said, and makes
// sure that whatever it is attached to is what the name means.
func childSweep(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	rounds, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	words, err := shmtest.Words(filepath.Join(os.Getenv(shmtest.EnvDir), "words"), 3)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	o := small(channel.Persistent)
	for range rounds {
		var ch *channel.Channel
		switch rng.IntN(12) { // mostly removes: any that is open refuses all of them
		case 0:
			ch, err = channel.Create(ctx, "q", o)
		case 1:
			ch, err = channel.OpenOrCreate(ctx, "q", o)
		case 2:
			ch, err = channel.Open(ctx, "q", channel.OpenOptions{})
		default:
			err = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true})
			if err == nil {
				words[1].Add(1)
			}
		}
		switch {
		case err == nil && ch != nil:
			words[0].Add(1)
			err = livesUnderItsName(ctx, ch)
			err = errors.Join(err, ch.Close())
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist),
			errors.Is(err, channel.ErrBusy):
			words[2].Add(1)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	c.Say("done")
	return nil
}

// livesUnderItsName compares a channel that is open with what an observer finds.
func livesUnderItsName(ctx context.Context, ch *channel.Channel) error {
	for range 3 {
		seen, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
		if err != nil {
			return fmt.Errorf("lost while it was open: %w", err)
		}
		same := seen.Instance() == ch.Instance()
		if err := seen.Close(); err != nil {
			return err
		}
		if !same {
			return errors.New("replaced while it was open")
		}
	}
	return nil
}

// TestWhatSomebodyHasOpenIsNeverRemoved has processes that open, create and remove one
// name, as shmctl gc does, all the time.
func TestWhatSomebodyHasOpenIsNeverRemoved(t *testing.T) {
	dir := shmtest.Dir(t)
	shmtest.Watchdog(t, 12*time.Hour)
	started := time.Now()
	rng, seed := shmtest.Rand(t)
	rounds := evidence.Size(t, "sweeprounds", 150)
	words, err := shmtest.Words(filepath.Join(dir, "words"), 3)
	require.NoError(t, err)
	all := make([]*shmtest.Child, 4)
	for i := range all {
		all[i] = shmtest.Start(t, "sweep", strconv.Itoa(rounds),
			strconv.FormatUint(rng.Uint64(), 10))
	}
	for _, c := range all {
		c.Expect("done")
		require.NoError(t, c.Wait())
	}
	require.NotZero(t, words[0].Load())
	require.NotZero(t, words[1].Load())
	err = channel.Remove(t.Context(), "q", channel.RemoveOptions{})
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "words")))
	evidence.Write(t, started, evidence.Record{
		Name: "sweep", Title: "processes open, create and remove one name at once",
		Guarantees: []string{"G12", "G18"}, Seed: seed, Counts: map[string]int64{
			"opened": int64(words[0].Load()), "removed": int64(words[1].Load()),
			"refused": int64(words[2].Load()), "lost_while_open": 0,
		},
	})
}

// small is a channel of few slots.
func small(life channel.Lifetime) channel.Options {
	return channel.Options{
		Slots: 8, SlotSize: 64, ArenaBytes: channel.NoArena, MaxParticipants: 8, Lifetime: life,
	}
}
