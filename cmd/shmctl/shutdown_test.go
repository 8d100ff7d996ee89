package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

// forward is a process of the tests' own: it moves messages from one channel to another
// until the first ends, and lets none go before the other has it.
func forward() {
	if err := forwardAll(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func forwardAll(ctx context.Context, from, to string) (err error) {
	in, err := channel.Open(ctx, from, channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := channel.Open(ctx, to, channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	rx, err := in.Receiver(ctx)
	if err != nil {
		return err
	}
	tx, err := out.Sender(ctx)
	if err != nil {
		return err
	}
	for {
		m, err := rx.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := tx.Send(ctx, m.Bytes()); err != nil {
			return err
		}
		m.Release()
	}
}

func TestProgressOfSeveralHasALineForEach(t *testing.T) {
	var b strings.Builder
	p := newProgresses(&b)
	late := func() string { return "1 of 9" }
	for range 2 {
		for _, name := range []string{"in", "out"} {
			p.show(name, late) // what is over at once needs none
			p.bars[name].last = time.Time{}
		}
	}
	p.finish()
	assert.Equal(t, "in: 1 of 9\nout: 1 of 9\n", b.String())
}

// TestACycleThatSomebodyStoredIsShownAndBroken: deps add refuses one, package channel does
// not.
func TestACycleThatSomebodyStoredIsShownAndBroken(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	dir := shmtest.Dir(t)
	var all []*channel.Channel
	for _, name := range []string{"a", "b"} {
		ch, err := channel.Create(t.Context(), name, channel.Options{
			OpenOptions: channel.OpenOptions{Dir: dir},
		})
		require.NoError(t, err)
		all = append(all, ch)
	}
	require.NoError(t, all[0].DependOn(t.Context(), all[1]))
	require.NoError(t, all[1].DependOn(t.Context(), all[0]))
	for _, ch := range all {
		defer func() { require.NoError(t, ch.Close()) }()
	}
	assert.Equal(t, "a\n└─ b\n   └─ a  (a cycle: shmctl deps rm can break it)\n", run1(t, "deps"))
	var stderr strings.Builder
	a := &app{stdout: io.Discard, stderr: &stderr, getenv: os.Getenv}
	require.Equal(t, exitState, a.execute(t.Context(), []string{"shutdown", "a"}))
	assert.Contains(t, stderr.String(), "dependencies in a cycle: ")
	run1(t, "deps", "rm", "b", "a")
	assert.Contains(t, run1(t, "shutdown", "b"), "CLOSED")
}
