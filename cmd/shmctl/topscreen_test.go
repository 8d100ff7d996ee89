package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

const longName = "requests-of-the-first-runner-of-the-second-machine"

// traffic are channels to look at: one is full, one idle, one has a long name, and one has a
// sender and a receiver at work in this process.
func traffic(t *testing.T) {
	t.Helper()
	shmtest.Dir(t)
	run1(t, "create", "full", "--slots", "4")
	run1(t, "send", "full", "1", "2", "3", "4")
	run1(t, "create", "idle")
	run1(t, "create", longName)
	t.Cleanup(func() { run1(t, "rm", "-f", "full", "idle", longName, "tokens") })

	ctx, cancel := context.WithCancelCause(context.WithoutCancel(t.Context()))
	ch, err := channel.Create(ctx, "tokens", channel.Options{
		Lifetime: channel.Persistent, Slots: 4096, // the few under way are next to none
	})
	require.NoError(t, err)
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	enough := errors.New("enough")
	sent, received := make(chan error), make(chan error)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			if err := tx.Send(ctx, []byte("x")); err != nil {
				sent <- err
				return
			}
			<-tick.C
		}
	}()
	go func() {
		for {
			if _, err := rx.RecvAppend(ctx, nil); err != nil {
				received <- err
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel(enough)
		assert.ErrorIs(t, <-sent, enough)
		assert.ErrorIs(t, <-received, enough)
		assert.NoError(t, ch.Close())
	})
}

// TestTopOnATerminal looks at real screens of the real program.
func TestTopOnATerminal(t *testing.T) {
	traffic(t)
	term := newTerminal(t, 80, 24, "echo before; TERM=xterm-256color "+
		"shmctl top --interval 100ms; echo over $?")
	term.sees("table", `^  idle .* ▁{8} `)
	assert.Equal(t, "1 0", term.state(), "its own screen, without a cursor")
	assert.Contains(t, term.tmux("capture-pane", "-p", "-e"), "\x1b[31m", "red")

	term.keys("s", "s", "s", "s", "Enter")
	term.sees("page", `^depth so far █{30}$`)
	term.keys("Escape")
	term.see(`^>!full .*`)
	term.tmux("resize-window", "-x", "110", "-y", "24") // pids differ in length: no line may wrap
	term.keys("s", "j", "j", "j", "Enter")
	term.sees("peers", `^depth so far ▁{30}$`)

	term.keys("Escape")
	term.see(`^> tokens`)
	term.tmux("resize-window", "-x", "80", "-y", "24")
	term.see(`SENT/S  RECV/S  TX RX WAITS$`)
	term.keys("k", "k", "d")
	term.sees("question", `^drain idle`)
	term.keys("n")
	term.see(`^drain idle: not done$`)
	term.keys("k")
	term.see(`^>!full`)

	term.tmux("resize-window", "-x", "40", "-y", "10")
	term.sees("small", `^  tokens`)
	term.tmux("resize-window", "-x", "200", "-y", "50")
	term.sees("large", `^  idle .* ▁{20} `)

	term.keys("q")
	term.see(`^over 0$`)
	assert.Equal(t, "0 1", term.state(), "the screen and the cursor are as before")
	assert.Contains(t, term.screen(), "before\n")
}

func TestTopOnATerminalWithoutColour(t *testing.T) {
	for _, env := range []string{"NO_COLOR=1 TERM=xterm-256color", "TERM=dumb"} {
		t.Run(env, func(t *testing.T) {
			traffic(t)
			term := newTerminal(t, 80, 24, env+" shmctl top --interval 100ms; echo over $?")
			name := "table"
			if env == "TERM=dumb" {
				name = "dumb"
			}
			term.sees(name, `^  idle .* (▁{8}|_{8}) `)
			assert.NotRegexp(t, `\x1b\[[0-9;]*[34][0-7][;m]`, term.tmux("capture-pane", "-p", "-e"))
			term.keys("q")
			term.see(`^over 0$`)
			assert.Equal(t, "0 1", term.state())
		})
	}
}

// TestTopDrainsAndRecoversAfterAYes does to a channel what was asked for.
func TestTopDrainsAndRecoversAfterAYes(t *testing.T) {
	shmtest.Dir(t)
	run1(t, "create", "a")
	run1(t, "create", "b")
	t.Cleanup(func() { run1(t, "rm", "-f", "a", "b") })
	term := newTerminal(t, 80, 24, "shmctl top --interval 100ms; echo over $?")
	term.see(`^> b|^  b`)
	term.keys("j", "d")
	term.see(`^drain b\? It seals the channel for all senders\.  y: yes, other keys: no$`)
	term.keys("y")
	term.see(`^>!b +DRAINING `)
	term.see(`^  a +ACTIVE `)
	term.keys("r")
	term.see(`^recover b\?  y: yes`)
	term.keys("y")
	term.see(`^recover b|^b: |^> b +ACTIVE`)
	term.keys("C-c")
	term.see(`^over 0$`)
	assert.Equal(t, "0 1", term.state())
}

// TestTopDisturbsNothing compares a segment before and after it was looked at, twice.
func TestTopDisturbsNothing(t *testing.T) {
	dir := shmtest.Dir(t)
	run1(t, "create", "a", "--slots", "4")
	run1(t, "send", "a", "1", "2")
	t.Cleanup(func() { run1(t, "rm", "-f", "a") })
	path := filepath.Join(dir, "shmring.a")
	look := func() ([]byte, time.Time) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		return text, info.ModTime()
	}
	text, at := look()
	assert.Contains(t, run1(t, "top", "--once", "--interval", "50ms"), "2 of 4 slots in use")
	after, then := look()
	assert.Equal(t, sha256.Sum256(text), sha256.Sum256(after), "its bytes are the same")
	assert.Equal(t, at, then)
}

// TestDemoOnATerminal looks at what a first user sees.
func TestDemoOnATerminal(t *testing.T) {
	shmtest.Dir(t)
	tree := t.TempDir()
	for _, name := range []string{"first", "second", "third", "fourth"} {
		require.NoError(t, os.WriteFile(filepath.Join(tree, name), []byte(name), 0o600))
	}
	term := newTerminal(t, 80, 24, "shmctl demo --source "+tree+"; echo over $?")
	term.sees("demo", `^over 0$`)
	assert.Equal(t, "0 1", term.state())
}
