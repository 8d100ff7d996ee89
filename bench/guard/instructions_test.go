//go:build linux && amd64 && !fault && !race

package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/ptrace"
	"shmring/internal/shmtest"
)

// Instructions are counted by single steps, so the count is exact and the same on any machine
// of this architecture, whatever else it does. Those with a lock are counted apart: each waits
// for all stores before it, so one costs as much as dozens of others, and a change that makes
// more of the others and fewer of these may well be the faster one. A system call is one
// instruction, and is told apart too.

func init() { children["stepped"] = childStepped }

// bounds are how many instructions, and how many of them with a lock, a message of 32 bytes
// may take: what it takes with Go 1.26, and a tenth more, since compilers differ.
var bounds = []struct {
	half         string
	most, locked float64
}{
	{"Send", 517, 3.2},
	{"SendBatch", 96, 0.2},
	{"Reserve, Commit", 914, 6.3},
	{"Recv, Release", 525, 2.3},
	{"RecvBatch, ReleaseBatch", 135, 0.2},
	{"RecvAppend", 811, 2.3},
}

func halfOf(name string) (half, bool) {
	for _, h := range append(sends[:len(sends):len(sends)], receives...) {
		if h.name == name {
			return h, true
		}
	}
	return half{}, false
}

// childStepped makes the half of a path that it is told between two breakpoints. What the
// half needs has happened before.
func childStepped(c *shmtest.Conn, args []string) error {
	runtime.MemProfileRate = 0
	watcher, err := ptrace.Watcher()
	if err != nil {
		return err
	}
	kind, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	h, ok := halfOf(args[1])
	if !ok {
		return fmt.Errorf("no half %q", args[1])
	}
	o := options(channel.Kind(kind))
	o.Nameless = true // it will be killed
	ch, err := channel.Create(context.Background(), "", o)
	if err != nil {
		return err
	}
	p, err := newPath(ch)
	if err != nil {
		return err
	}
	start := make(chan struct{})
	ptrace.Go(func() {
		err := play(p, h, func() {
			c.Say("%d %d", watcher, unix.Gettid())
			<-start
		})
		fmt.Fprintln(os.Stderr, err, "and told to go on")
		os.Exit(1)
	})
	c.Hear()
	close(start)
	c.Hear()
	return nil
}

// play runs the half once to warm up, and once between breakpoints. It returns only if
// something was wrong.
func play(p *path, h half, ready func()) error {
	send, receive := sends[0], receives[0]
	isSend := strings.Contains(h.name, "Send") || strings.Contains(h.name, "Commit")
	if isSend {
		send = h
	} else {
		receive = h
	}
	if err := errors.Join(send.run(p), receive.run(p)); err != nil {
		return err
	}
	if !isSend {
		if err := send.run(p); err != nil {
			return err
		}
	}
	ready()
	runtime.Breakpoint()
	err := h.run(p)
	runtime.Breakpoint()
	return err
}

// quiet makes the children's runtime leave their threads alone.
func quiet(t *testing.T) {
	t.Helper()
	t.Setenv("GODEBUG", "asyncpreemptoff=1")
	t.Setenv("GOGC", "off")
	t.Setenv("GOMAXPROCS", "16") // a stopped thread keeps its P
}

func TestInstructionsOfAMessageStayWithinBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("steps through a hundred thousand instructions")
	}
	shmtest.Watchdog(t, watchdog)
	shmtest.Dir(t)
	quiet(t)
	for _, kind := range kinds {
		for _, b := range bounds {
			t.Run(kind.String()+"/"+b.half, func(t *testing.T) {
				runtime.LockOSThread() // the kernel knows the tracer by its thread
				defer runtime.UnlockOSThread()
				c := trace(t, kind, b.half).count(t)
				each := float64(c.instructions) / lap
				lockedEach := float64(c.lockedAll()) / lap
				t.Logf("%.1f instructions a message, %.2f of them with a lock, %d system calls in "+
					"%d messages\n%s", each, lockedEach, len(c.calls), lap, c.lockedText())
				assert.LessOrEqual(t, each, b.most, "instructions")
				assert.LessOrEqual(t, lockedEach, b.locked, "instructions with a lock")
				assert.Empty(t, c.calls)
			})
		}
	}
}

func TestBoundsAreThoseOfTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/PERFORMANCE.md")
	require.NoError(t, err)
	for _, b := range bounds {
		assert.Contains(t, string(manual), fmt.Sprintf(" | %g | %g | ", b.most, b.locked), b.half)
	}
}
