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
// of this architecture, whatever else it does. A system call is one of them, and is told apart.

func init() { children["stepped"] = childStepped }

// bounds are how many instructions a message of 32 bytes may take: what it takes with Go 1.26,
// and a tenth more, since compilers differ.
var bounds = []struct {
	half string
	most float64
}{
	{"Send", 490},
	{"SendBatch", 96},
	{"Reserve, Commit", 860},
	{"Recv, Release", 466},
	{"RecvBatch, ReleaseBatch", 196},
	{"RecvAppend", 782},
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

// A count is what one lap of a half took.
type count struct {
	instructions int
	calls        []string // functions that made a system call
}

// A traced child is stepped through a lap. The thread that watches it in Go's runtime is
// stopped: it would have the lap give way to others.
type traced struct {
	child        *shmtest.Child
	lap, watcher *ptrace.Thread
	memory       *os.File
	isCall       map[uint64]bool // by address
}

// trace starts a child and brings it to the beginning of its lap.
func trace(t *testing.T, kind channel.Kind, half string) *traced {
	t.Helper()
	x := &traced{isCall: map[uint64]bool{}}
	x.child = shmtest.Start(t, "stepped", strconv.Itoa(int(kind)), half)
	line, _ := x.child.Hear()
	var watcher, tid int
	if _, err := fmt.Sscan(line, &watcher, &tid); err != nil {
		t.Fatalf("child said %q: %v", line, x.child.Wait())
	}
	var err error
	x.watcher, err = ptrace.Seize(watcher)
	if errors.Is(err, ptrace.ErrForbidden) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { x.end(t) }) // a process with traced threads cannot be waited for
	x.lap, err = ptrace.Seize(tid)
	require.NoError(t, err)
	x.memory, err = os.Open(fmt.Sprintf("/proc/%d/mem", x.child.PID()))
	require.NoError(t, err)
	x.child.Say("go")
	require.NoError(t, x.lap.RunToBreakpoint())
	for {
		require.NoError(t, x.watcher.Interrupt())
		pc, err := x.watcher.PC()
		require.NoError(t, err)
		if name := nameOf(pc); name == "runtime.usleep" || name == "runtime.futex" {
			return x // it sleeps, so it has no lock
		}
		require.NoError(t, x.watcher.Resume())
	}
}

func (x *traced) end(t *testing.T) {
	t.Helper()
	x.child.Signal(unix.SIGKILL)
	for _, th := range []*ptrace.Thread{x.lap, x.watcher} {
		if th != nil {
			require.NoError(t, th.Reap())
		}
	}
	if x.memory != nil {
		require.NoError(t, x.memory.Close())
	}
	x.child.Kill() // collects it
}

// count steps to the end of the lap.
func (x *traced) count(t *testing.T) (c count) {
	t.Helper()
	for {
		pc, err := x.lap.PC()
		require.NoError(t, err)
		if x.isSyscall(t, pc) {
			c.calls = append(c.calls, nameOf(pc))
		}
		_, over, err := x.lap.Step(1)
		require.NoError(t, err, "%v", x.child)
		if over {
			return c
		}
		c.instructions++
	}
}

// isSyscall reports whether the instruction at an address of the child is SYSCALL.
func (x *traced) isSyscall(t *testing.T, pc uint64) bool {
	t.Helper()
	is, known := x.isCall[pc]
	if !known {
		text := make([]byte, 2)
		_, err := x.memory.ReadAt(text, int64(pc))
		require.NoError(t, err)
		is = text[0] == 0x0f && text[1] == 0x05
		x.isCall[pc] = is
	}
	return is
}

// nameOf names the function of an address.
func nameOf(pc uint64) string {
	if f := runtime.FuncForPC(uintptr(pc)); f != nil {
		return f.Name()
	}
	return "the kernel's page with the clock"
}

func TestInstructionsOfAMessageStayWithinBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("steps through a hundred thousand instructions")
	}
	shmtest.Watchdog(t, watchdog)
	shmtest.Dir(t)
	t.Setenv("GODEBUG", "asyncpreemptoff=1")
	t.Setenv("GOGC", "off")
	t.Setenv("GOMAXPROCS", "16")
	for _, kind := range kinds {
		for _, b := range bounds {
			t.Run(kind.String()+"/"+b.half, func(t *testing.T) {
				runtime.LockOSThread() // the kernel knows the tracer by its thread
				defer runtime.UnlockOSThread()
				c := trace(t, kind, b.half).count(t)
				each := float64(c.instructions) / lap
				t.Logf("%.1f instructions a message, %d system calls in %d messages", each,
					len(c.calls), lap)
				assert.LessOrEqual(t, each, b.most)
				assert.Empty(t, c.calls)
			})
		}
	}
}
