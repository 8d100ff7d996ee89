//go:build linux && amd64 && !fault && !race

package channel_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/ptrace"
	"shmring/internal/shmtest"
)

// A chunk is one process that is going to be killed, and the scenes of its victims.
type chunk struct {
	child   *shmtest.Child
	hammer  *shmtest.Child
	scenes  []*scene
	threads []*ptrace.Thread
	watcher *ptrace.Thread
	dead    bool
}

// seize begins to trace the victims. The thread that watches them in Go's runtime is stopped.
func (x *chunk) seize(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { // a process with traced threads cannot be waited for
		if !x.dead {
			x.kill(t)
		}
	})
	watcher := x.hear(t, 1)[0]
	th, err := ptrace.Seize(watcher)
	require.NoError(t, err)
	x.watcher = th
	x.threads = make([]*ptrace.Thread, len(x.scenes))
	for range x.scenes {
		said := x.hear(t, 2)
		th, err := ptrace.Seize(said[1])
		require.NoError(t, err)
		x.threads[said[0]] = th
	}
	for {
		require.NoError(t, x.watcher.Interrupt())
		pc, err := x.watcher.PC()
		require.NoError(t, err)
		if name := function(pc); name == "runtime.usleep" || name == "runtime.futex" {
			return // it sleeps, so it has no lock
		}
		require.NoError(t, x.watcher.Resume())
	}
}

// hear waits for a line of n numbers.
func (x *chunk) hear(t *testing.T, n int) []int {
	t.Helper()
	line, _ := x.child.Hear()
	numbers := make([]int, 0, n)
	for _, field := range strings.Fields(line) {
		i, err := strconv.Atoi(field)
		require.NoError(t, err, "victim said %q", line)
		numbers = append(numbers, i)
	}
	if len(numbers) != n {
		x.child.Kill()
		t.Fatalf("victim said %q: %v", line, x.child.Wait())
	}
	return numbers
}

// begin lets a victim begin, up to the breakpoint before the call.
func (x *chunk) begin(t *testing.T, i int) {
	t.Helper()
	close(x.scenes[i].started)
	x.child.Say("%d", i)
	require.NoError(t, x.threads[i].RunToBreakpoint(), "%v", x.child)
}

// goTo lets a victim begin and run to its instruction.
func (x *chunk) goTo(t *testing.T, i int) {
	t.Helper()
	x.begin(t, i)
	s, th := x.scenes[i], x.threads[i]
	end, err := th.RunTo(s.spot.address, s.spot.visit)
	require.NoError(t, err, "%v", x.child)
	if !end && s.spot.more > 0 {
		_, end, err = th.Step(s.spot.more)
		require.NoError(t, err, "%v", x.child)
	}
	s.ended = end
	s.at, err = th.PC()
	require.NoError(t, err)
}

// kill ends the process of the victims and waits until it is gone.
func (x *chunk) kill(t *testing.T) {
	t.Helper()
	x.dead = true
	require.NoError(t, unix.Kill(x.child.PID(), unix.SIGKILL))
	for _, th := range append(x.threads, x.watcher) {
		if th != nil {
			require.NoError(t, th.Reap())
		}
	}
	for _, s := range x.scenes {
		s.end()
	}
	x.child.Kill() // collects it
}

// stalled lets others go on beside the stopped victims, and then the victims too.
func (x *chunk) stalled(t *testing.T) {
	t.Helper()
	require.NoError(t, unix.Kill(x.child.PID(), unix.SIGSTOP))
	for !stopped(t, x.child.PID()) {
		shmtest.Yield()
	}
	for _, s := range x.scenes {
		s.call.beside(t, s)
	}
	require.NoError(t, unix.Kill(x.child.PID(), unix.SIGCONT))
	for i, s := range x.scenes {
		if !s.ended {
			require.NoError(t, x.threads[i].RunToBreakpoint(), "%v", x.child)
		}
		require.NoError(t, x.threads[i].RunToBreakpoint(), "%v", x.child) // what was got is right
		s.ended = true
	}
}

// stopped reports whether no thread of a process runs or will.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	require.NoError(t, err)
	require.NotEmpty(t, stats)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			return false // a thread that ended just now
		}
		if state := text[bytes.LastIndexByte(text, ')')+2]; state != 'T' && state != 't' {
			return false
		}
	}
	return true
}

// needPtrace skips the test where tracing is forbidden.
func needPtrace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child := shmtest.Start(t, "stepped", "nothing")
	line, _ := child.Hear()
	tid, err := strconv.Atoi(line)
	require.NoError(t, err, "%q", line)
	th, err := ptrace.Seize(tid)
	if errors.Is(err, ptrace.ErrForbidden) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, th.Interrupt())
	pc, err := th.PC()
	require.NoError(t, err)
	require.NoError(t, unix.Kill(child.PID(), unix.SIGKILL))
	require.NoError(t, th.Reap())
	if function(pc) == "" {
		t.Skip("the test binary is loaded at another address in each process")
	}
}

// quiet makes the children's runtime leave their threads alone.
func quiet(t *testing.T) {
	t.Helper()
	t.Setenv("GODEBUG", "asyncpreemptoff=1")
	t.Setenv("GOGC", "off")
	t.Setenv("GOMAXPROCS", "16") // a stopped thread keeps its P
}
