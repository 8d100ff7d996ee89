//go:build fault

package fault

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// childVar makes the test binary run through two points and end well.
const childVar = "SHMRING_FAULT_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVar) != "" {
		for range 3 {
			Point("first")
			Point("second")
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// withRules sets rules until the test ends.
func withRules(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, SetRules(text))
	t.Cleanup(func() { require.NoError(t, SetRules("")) })
}

// runWith runs the child under a rule and returns how it ended and what it wrote.
func runWith(t *testing.T, rule string) (syscall.WaitStatus, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=1", EnvVar+"="+rule)
	out, err := cmd.CombinedOutput()
	if err != nil {
		_, exited := errors.AsType[*exec.ExitError](err)
		require.True(t, exited, "%v", err)
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	return status, string(out)
}

func TestRulesOfTheEnvironmentActAtTheirHit(t *testing.T) {
	status, _ := runWith(t, "")
	assert.Zero(t, status.ExitStatus())
	status, _ = runWith(t, "second:kill:3")
	assert.Equal(t, syscall.SIGKILL, status.Signal())
	status, _ = runWith(t, "second:kill:4")
	assert.Zero(t, status.ExitStatus(), "it is hit three times")
	status, _ = runWith(t, "elsewhere:kill,first:exit:2")
	assert.Equal(t, 7, status.ExitStatus())
	status, out := runWith(t, "first:panic")
	assert.Equal(t, 2, status.ExitStatus())
	assert.Contains(t, out, "fault point first")
	status, _ = runWith(t, "first:sleep=1ms,second:exit")
	assert.Equal(t, 7, status.ExitStatus())
}

func TestRuleThatCannotBeReadEndsTheProgram(t *testing.T) {
	status, out := runWith(t, "first:explode")
	assert.Equal(t, 2, status.ExitStatus())
	assert.Contains(t, out, `SHMRING_FAULT: rule "first:explode": unknown action "explode"`)
}

func TestStopStopsUntilItIsContinued(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=1", EnvVar+"=first:stop")
	require.NoError(t, cmd.Start())
	var status syscall.WaitStatus
	_, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	require.NoError(t, cmd.Wait())
}

func TestRulesThatAreNone(t *testing.T) {
	for _, text := range []string{
		"a", "a:kill:1:2", "a:kill:0", "a:kill:-1", "a:kill:x", "a:nothing", "a:", "a:kill,b",
	} {
		require.Error(t, SetRules(text), "%q", text)
	}
	withRules(t, ",a:exit:9,")
	Point("a")
	require.Error(t, SetRules("b"))
	assert.NotNil(t, due("a", func(r *rule) bool { r.seen.Store(8); return true }),
		"a rule that cannot be read replaces nothing")
}

func TestErrorIsInjectedOnceAtItsHit(t *testing.T) {
	withRules(t, "a:errno=28:2,b:errno=x")
	require.NoError(t, Err("a"))
	err := Err("a")
	require.ErrorIs(t, err, ErrInjected)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, Err("a"))
	require.NoError(t, Err("other"))
	require.ErrorIs(t, Err("b"), ErrInjected, "a number that is none is an error, too")
}

func TestErrorIsAPointToo(t *testing.T) {
	withRules(t, "a:errno=5")
	Point("a")
	require.ErrorIs(t, Err("a"), syscall.EIO, "the point took no hit")
	withRules(t, "a:panic:2")
	require.NoError(t, Err("a"))
	require.PanicsWithValue(t, "fault point a", func() { _ = Err("a") })
	Point("a")
}

func TestRuleForAnywhereCountsAllPoints(t *testing.T) {
	withRules(t, "*:panic:3,b:sleep=1us")
	Point("a")
	Point("b")
	require.PanicsWithValue(t, "fault point c", func() { Point("c") })
	Point("d")
}

func TestHookSeesEveryPoint(t *testing.T) {
	var seen []string
	SetHook(func(name string) { seen = append(seen, name) })
	Point("a")
	Point("b")
	SetHook(nil)
	Point("c")
	assert.Equal(t, "a b", strings.Join(seen, " "))
}

func TestOfConcurrentHitsOneActs(t *testing.T) {
	for range 50 {
		withRules(t, "a:panic:64")
		var panics atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 16 {
					func() {
						defer func() {
							if recover() != nil {
								panics.Add(1)
							}
						}()
						Point("a")
					}()
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, panics.Load())
	}
}

func TestSleepTakesItsTime(t *testing.T) {
	withRules(t, "a:sleep=10ms,b:sleep=x")
	start := time.Now()
	Point("a")
	assert.GreaterOrEqual(t, time.Since(start), 10*time.Millisecond)
	Point("b")
}
