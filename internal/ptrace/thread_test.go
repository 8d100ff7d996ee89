//go:build linux && amd64 && !race

package ptrace_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/ptrace"
	"shmring/internal/shmtest"
)

func TestMain(m *testing.M) {
	shmtest.Main(m, map[string]shmtest.ChildFunc{"count": childCount})
}

// rounds is how often the child counts between its breakpoints.
const rounds = 10

// childCount counts in a word that its parent sees.
func childCount(c *shmtest.Conn, args []string) error {
	words, err := shmtest.Words(args[0], 1)
	if err != nil {
		return err
	}
	start := make(chan struct{})
	ptrace.Go(func() {
		c.Say("%d", unix.Gettid())
		<-start
		runtime.Breakpoint()
		for range rounds {
			count(words[0])
		}
		runtime.Breakpoint()
	})
	c.Hear()
	close(start)
	c.Hear()
	return errors.New("told to go on")
}

//go:noinline
func count(w *atomic.Uint64) { w.Add(1) }

// startCount starts the child and runs it to its first breakpoint.
func startCount(t *testing.T) (*ptrace.Thread, *shmtest.Child, *atomic.Uint64) {
	t.Helper()
	shmtest.Watchdog(t, time.Minute)
	t.Setenv("GODEBUG", "asyncpreemptoff=1")
	path := filepath.Join(t.TempDir(), "count")
	words, err := shmtest.Words(path, 1)
	require.NoError(t, err)
	child := shmtest.Start(t, "count", path)
	line, _ := child.Hear()
	tid, err := strconv.Atoi(line)
	require.NoError(t, err, "%q, %v", line, child)
	require.NotEqual(t, child.PID(), tid, "the first thread")
	th, err := ptrace.Seize(tid)
	if errors.Is(err, ptrace.ErrForbidden) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { kill(t, th, child) }) // a process with traced threads cannot be waited for
	child.Say("go")
	require.NoError(t, th.RunToBreakpoint())
	require.Zero(t, words[0].Load())
	return th, child, words[0]
}

// kill ends a child that is traced.
func kill(t *testing.T, th *ptrace.Thread, child *shmtest.Child) {
	t.Helper()
	child.Signal(unix.SIGKILL)
	require.NoError(t, th.Reap())
	child.Kill()
}

func TestStepsLeadToTheNextBreakpoint(t *testing.T) {
	runtime.LockOSThread() // the kernel knows the tracer by its thread
	defer runtime.UnlockOSThread()
	th, _, word := startCount(t)
	seen := make(map[uint64]bool)
	last, steps := uint64(0), 0
	for end := false; !end; steps++ {
		var err error
		_, end, err = th.Step(1)
		require.NoError(t, err)
		now := word.Load()
		require.LessOrEqual(t, now, last+1, "one instruction counts once")
		last, seen[now] = now, true
	}
	require.EqualValues(t, rounds, last)
	require.Len(t, seen, rounds+1, "it was stopped between any two")
	require.Greater(t, steps, 3*rounds)
}

func TestRunToStopsBeforeAnInstructionForTheNthTime(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	th, _, word := startCount(t)
	// Find where the instruction after the first count is: it is passed once each round.
	for word.Load() == 0 {
		_, end, err := th.Step(1)
		require.NoError(t, err)
		require.False(t, end)
	}
	pc, err := th.PC()
	require.NoError(t, err)
	end, err := th.RunTo(pc, 3)
	require.NoError(t, err)
	require.False(t, end)
	require.EqualValues(t, 4, word.Load())
	end, err = th.RunTo(pc, rounds)
	require.NoError(t, err)
	require.True(t, end, "the second breakpoint comes first")
	require.EqualValues(t, rounds, word.Load())
}

func TestThreadThatEndsIsAnError(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	th, child, _ := startCount(t)
	child.Signal(unix.SIGKILL)
	_, _, err := th.Step(1)
	var end *ptrace.EndError
	if !errors.As(err, &end) { // dead before it could be asked for a step
		require.ErrorIs(t, err, unix.ESRCH)
	}
}

func TestThreadThatDoesNotExistCannotBeSeized(t *testing.T) {
	_, err := ptrace.Seize(os.Getpid()) // a process cannot trace itself
	require.Error(t, err)
}
