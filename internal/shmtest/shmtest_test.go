package shmtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	Main(m, map[string]ChildFunc{"echo": childEcho, "fail": childFail, "count": childCount})
}

// childEcho says its arguments, and then what it hears, until it hears the end.
func childEcho(c *Conn, args []string) error {
	c.Say("%s in %s", strings.Join(args, " "), os.Getenv(EnvDir))
	for {
		line := c.Hear()
		if line == "end" {
			return nil
		}
		c.Say("heard %s", line)
	}
}

func childFail(*Conn, []string) error { return errors.New("as it should") }

// childCount counts in shared words until it is killed.
func childCount(c *Conn, args []string) error {
	words, err := Words(args[0], 2)
	if err != nil {
		return err
	}
	words[1].Store(7)
	c.Say("counting")
	for {
		words[0].Add(1)
	}
}

func TestChildTalksAndEnds(t *testing.T) {
	Watchdog(t, time.Minute)
	dir := Dir(t)
	c := Start(t, "echo", "a", "b")
	c.Expect("a b in " + dir)
	c.Say("hello %d", 5)
	c.Expect("heard hello 5")
	assert.True(t, c.Running())
	c.Say("end")
	require.NoError(t, c.Wait())
	require.NoError(t, c.Wait(), "it can be asked again")
	assert.False(t, c.Running())
	_, more := c.Hear()
	assert.False(t, more)
}

func TestChildThatFailsSaysWhy(t *testing.T) {
	Watchdog(t, time.Minute)
	c := Start(t, "fail")
	require.ErrorContains(t, c.Wait(), "exit status 1: as it should")
	assert.Contains(t, c.String(), "as it should")
	require.ErrorContains(t, Start(t, "nobody").Wait(), `no child function "nobody"`)
}

func TestChildWhoseParentIsSilentEndsWithIt(t *testing.T) {
	Watchdog(t, time.Minute)
	c := Start(t, "echo")
	_, ok := c.Hear()
	require.True(t, ok)
	require.NoError(t, c.in.Close(), "as the kernel does when the parent dies")
	require.ErrorContains(t, c.Wait(), "exit status 3")
}

func TestWordsSurviveAKill(t *testing.T) {
	Watchdog(t, time.Minute)
	path := filepath.Join(t.TempDir(), "words")
	c := Start(t, "count", path)
	c.Expect("counting")
	words, err := Words(path, 2)
	require.NoError(t, err)
	for before := words[0].Load(); words[0].Load() == before; {
		Yield()
	}
	c.Kill()
	c.Kill()
	require.ErrorContains(t, c.Wait(), "signal: killed")
	last := words[0].Load()
	assert.NotZero(t, last)
	Yield()
	assert.Equal(t, last, words[0].Load(), "the dead count no more")
	assert.EqualValues(t, 7, words[1].Load())
}

func TestStoppedChildIsRunningAndAZombieIsNot(t *testing.T) {
	Watchdog(t, time.Minute)
	c := Start(t, "echo")
	c.Signal(syscall.SIGSTOP)
	assert.True(t, c.Running())
	c.Signal(syscall.SIGKILL)
	for c.Running() {
		Yield()
	}
	require.ErrorContains(t, c.Wait(), "signal: killed")
}

// A recorder is a test that may fail.
type recorder struct {
	testing.TB
	failed   []string
	cleanups []func()
}

func (r *recorder) Helper()                   {}
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool              { return len(r.failed) > 0 }
func (r *recorder) Setenv(_, _ string)        {}
func (r *recorder) Error(args ...any)         { r.failed = append(r.failed, fmt.Sprint(args...)) }
func (r *recorder) Logf(f string, a ...any)   { r.failed = append(r.failed, fmt.Sprintf(f, a...)) }
func (r *recorder) Errorf(f string, a ...any) { r.failed = append(r.failed, fmt.Sprintf(f, a...)) }

func (r *recorder) end() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

func TestDirThatIsNotEmptyFailsTheTestAndGoes(t *testing.T) {
	r := &recorder{TB: t}
	dir := Dir(r)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shmring.left"), nil, 0o600))
	r.end()
	require.Len(t, r.failed, 1)
	assert.Contains(t, r.failed[0], "shmring.left")
	assert.NoDirExists(t, dir)

	clean := &recorder{TB: t}
	dir = Dir(clean)
	clean.end()
	assert.Empty(t, clean.failed)
	assert.NoDirExists(t, dir)
}

func TestRandRepeatsItsSeed(t *testing.T) {
	t.Setenv(EnvSeed, "42")
	a, seed := Rand(t)
	b, _ := Rand(t)
	assert.EqualValues(t, 42, seed)
	for range 10 {
		assert.Equal(t, a.Uint64(), b.Uint64())
	}
	failing := &recorder{TB: t, failed: []string{"x"}}
	Rand(failing)
	failing.end()
	assert.Contains(t, failing.failed[1], "SHMRING_SEED=42")
}
