//go:build linux && amd64

package channel_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/shmtest"
)

// A scenario is something to do while a system call fails.
type scenario struct {
	do func(context.Context, *shmtest.Conn) error
	// before prepares, in this process. It returns what to do at a line of the child,
	// and after its end: to see that others can go on.
	before func(t *testing.T) (during func(line string), after func())
}

var scenarios map[string]scenario

func init() {
	scenarios = map[string]scenario{
		"whole": {whole, alone}, "join": {join, host}, "observe": {observe, observed},
		"adopt": {adopt, leftBehind}, "event": {signal, nobody}, "hand over": {handOver, nobody},
		"repair": {repair, broken},
	}
}

// use makes sure that a name can be used by somebody who comes now. What was being drained
// is drained first.
func use(t *testing.T, o channel.Options) {
	t.Helper()
	ctx := t.Context()
	for sent := false; !sent; {
		ch, err := channel.OpenOrCreate(ctx, "q", o)
		require.NoError(t, err)
		rx, err := ch.Receiver(ctx)
		require.NoError(t, err)
		tx, err := ch.Sender(ctx)
		require.NoError(t, err)
		got := receive(t, rx) // there may be no room yet
		err = tx.Send(ctx, []byte("z"))
		sent = !errors.Is(err, channel.ErrClosed)
		if sent {
			require.NoError(t, err)
		}
		got += receive(t, rx)
		require.Equal(t, sent, strings.HasSuffix(got, "z"))
		_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
		require.NoError(t, err)
		require.NoError(t, ch.Close())
	}
}

// receive returns all that is there.
func receive(t *testing.T, rx *channel.Receiver) string {
	t.Helper()
	ctx := t.Context()
	var all []byte
	for rx.Len() > 0 {
		var err error
		all, err = rx.RecvAppend(ctx, all)
		if !errors.Is(err, channel.ErrPeerDead) {
			require.NoError(t, err)
		}
	}
	return string(all)
}

func alone(t *testing.T) (func(string), func()) {
	t.Helper()
	return func(string) {}, func() { use(t, small(channel.Ephemeral)) }
}

func nobody(t *testing.T) (func(string), func()) {
	t.Helper()
	ctx := t.Context()
	return func(string) {}, func() {
		err := channel.Remove(ctx, "q", channel.RemoveOptions{})
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, err)
		}
	}
}

var rest = regexp.MustCompile("^(abc|ab|bc|b|c)?x?d$")

func host(t *testing.T) (func(string), func()) {
	t.Helper()
	ctx := t.Context()
	ch, err := channel.Create(ctx, "q", small(channel.Ephemeral))
	require.NoError(t, err)
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	_, err = tx.SendBatch(ctx, [][]byte{[]byte("a"), []byte("b")})
	require.NoError(t, err)
	during := func(line string) {
		if line == "waiting" {
			require.NoError(t, tx.Send(ctx, []byte("c")))
		}
	}
	return during, func() {
		require.NoError(t, tx.Send(ctx, []byte("d")))
		rx, err := ch.Receiver(ctx)
		require.NoError(t, err)
		require.Regexp(t, rest, receive(t, rx))
		_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
		require.NoError(t, err)
		require.NoError(t, ch.Close())
	}
}

func observed(t *testing.T) (func(string), func()) {
	t.Helper()
	ctx := t.Context()
	left, err := channel.Create(ctx, "left", small(channel.Persistent))
	require.NoError(t, err)
	require.NoError(t, left.Close())
	during, after := host(t)
	return during, func() {
		err := channel.Remove(ctx, "left", channel.RemoveOptions{})
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, err)
		}
		after()
	}
}

func leftBehind(t *testing.T) (func(string), func()) {
	t.Helper()
	ctx := t.Context()
	ch, err := channel.Create(ctx, "q", small(channel.Persistent))
	require.NoError(t, err)
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	_, err = tx.SendBatch(ctx, [][]byte{[]byte("a"), []byte("b")})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	return func(string) {}, func() { use(t, small(channel.Persistent)) }
}

// An outcome is what became of a child.
type outcome struct {
	tr     *tracer
	ws     unix.WaitStatus
	answer string // its last line
	stderr string
}

// attempt runs one scenario, with an injection or without.
func attempt(t *testing.T, name string, inject *injection) outcome {
	t.Helper()
	//nolint:usetesting // many runs, each with its own directory, which must be empty after it
	dir, err := os.MkdirTemp("/dev/shm", "shmring-test-*")
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(dir)) }()
	t.Setenv(shmtest.EnvDir, dir)
	defer time.AfterFunc(time.Minute, func() {
		panic(fmt.Sprintf("%s hangs, %v", name, inject))
	}).Stop()
	during, after := scenarios[name].before(t)
	out := runTraced(t, &tracer{dir: dir, inject: inject}, name, during)
	after()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "%s: left behind", name)
	return out
}

// runTraced runs the child and listens to it.
func runTraced(
	t *testing.T, tr *tracer, name string, during func(string),
) (out outcome) {
	t.Helper()
	out.tr = tr
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	in, stdin, err := os.Pipe()
	require.NoError(t, err)
	stdout, outw, err := os.Pipe()
	require.NoError(t, err)
	env := append(os.Environ(), shmtest.EnvChild+"=system calls", "GODEBUG=asyncpreemptoff=1",
		"GORACE=atexit_sleep_ms=0")
	ended := make(chan error, 1)
	go func() {
		var err error
		out.ws, err = tr.run(env, []string{name}, []*os.File{in, outw, stderr})
		_ = outw.Close() // now the reader below comes to an end
		ended <- err
	}()
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		out.answer = lines.Text()
		during(out.answer)
	}
	err = <-ended
	for _, f := range []*os.File{in, stdin, stdout, stderr} {
		require.NoError(t, f.Close())
	}
	if errors.Is(err, errUntraceable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	text, err := os.ReadFile(stderr.Name())
	require.NoError(t, err)
	out.stderr = string(text)
	return out
}

// errnos are what calls fail with.
var errnos = []unix.Errno{
	unix.EINTR, unix.ENOSPC, unix.EPERM, unix.ENOSYS, unix.EMFILE, unix.ENOMEM, unix.EACCES,
}

// A trial is one run with one injection.
type trial struct {
	scenario string
	inject   injection
}

// trials lists what can be injected into the scenarios: into each call of each name
// that they make. It finds the calls by running them.
func trials(t *testing.T) (all []trial, calls map[string]bool) {
	t.Helper()
	calls = make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		out := attempt(t, name, nil)
		require.True(t, out.ws.Exited() && out.ws.ExitStatus() == 0, "%s: %s", name, out.stderr)
		require.Equal(t, "done", out.answer, name)
		require.Empty(t, out.tr.unknown, "%s: system calls that nobody has classified", name)
		require.Empty(t, out.tr.fds, "%s: descriptors left", name)
		require.Empty(t, out.tr.maps, "%s: mappings left", name)
		t.Logf("%s: %v", name, out.tr.counts)
		for _, call := range out.tr.order {
			calls[call] = true
			for n := range out.tr.counts[call] {
				for _, errno := range errnos {
					all = append(all, trial{name, injection{name: call, nth: n + 1, errno: errno}})
				}
				for _, after := range []bool{false, true} {
					all = append(all, trial{name, injection{name: call, nth: n + 1, after: after}})
				}
			}
		}
	}
	return all, calls
}

// TestEverySystemCallMayFail lets the calls that are about our files, mappings and words
// fail one after the other, each with every error, and kills the process at each: it ends
// by itself with an error that a program can tell, or goes on without; another process
// goes on, and nothing is left.
func TestEverySystemCallMayFail(t *testing.T) {
	shmtest.Watchdog(t, 6*time.Hour)
	started := time.Now()
	all, calls := trials(t)
	rng, seed := shmtest.Rand(t)
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:min(len(all), evidence.Size(t, "syscallfaults", 60))]
	counts := map[string]int64{"calls": int64(len(calls))}
	for _, tr := range all {
		counts[judge(t, tr)]++
		if t.Failed() {
			return
		}
	}
	assert.NotZero(t, counts["killed"])
	evidence.Write(t, started, evidence.Record{
		Name: "syscalls", Title: "each system call fails, or is where a kill comes",
		Guarantees: []string{"G1", "G12", "G15", "G18"}, Seed: seed, Counts: counts,
		Note: "counts are runs; a run whose call was not reached again is counted as missed",
	})
}

// judge makes one trial and sorts what came of it.
func judge(t *testing.T, tr trial) string {
	t.Helper()
	out := attempt(t, tr.scenario, &tr.inject)
	what := tr.scenario + ", " + tr.inject.String() + ": " + out.answer + "\n" + out.stderr
	switch {
	case !out.tr.hit:
		return "missed"
	case tr.inject.errno == 0:
		assert.True(t, out.ws.Signaled() && out.ws.Signal() == unix.SIGKILL, what)
		return "killed"
	}
	assert.True(t, out.ws.Exited() && out.ws.ExitStatus() == 0, what)
	if out.answer == "done" {
		return "went on"
	}
	assert.True(t, strings.HasPrefix(out.answer, "failed: "), what)
	return "failed"
}

// TestWhatAKernelMayLackIsRefusedOrReplaced injects what kernels and sandboxes answer that
// lack something: what cannot be done without is refused and says what to do, and the rest
// is done in another way.
func TestWhatAKernelMayLackIsRefusedOrReplaced(t *testing.T) {
	shmtest.Watchdog(t, limit)
	const withoutLocks = "no open-file-description locks, which shmring needs to know who lives"
	for _, c := range []struct {
		call  string
		errno unix.Errno
		want  string // in the error; empty: it works all the same
	}{
		{"openat_tmpfile", unix.EOPNOTSUPP, "no unnamed files: use a directory on a tmpfs"},
		{"openat_tmpfile", unix.EISDIR, "no unnamed files: use a directory on a tmpfs"},
		{"openat_tmpfile", unix.ENOSPC, "no inodes left: remove files, or enlarge it"},
		{"openat_tmpfile", unix.EACCES, "create a segment in "},
		{"fallocate", unix.ENOSPC, "remove unused channels, create a smaller one"},
		{"fallocate", unix.ENOMEM, "remove unused channels, create a smaller one"},
		{"fallocate", unix.EOPNOTSUPP, "allocate "},
		{"fcntl_lock", unix.EINVAL, withoutLocks},
		{"fcntl_lock", unix.ENOSYS, withoutLocks},
		{"inotify_init1", unix.EMFILE, ""},
		{"inotify_init1", unix.ENOSYS, ""},
		{"inotify_add_watch", unix.ENOSPC, ""},
		{"epoll_ctl", unix.ENOSPC, ""},
		{"eventfd2", unix.EMFILE, ""},
		{"ppoll", unix.ENOMEM, ""},
		{"ppoll", unix.EINTR, ""},
		{"fallocate", unix.EINTR, ""},
		{"fcntl_lock", unix.EINTR, ""},
		{"fcntl_asklock", unix.EINTR, ""},
		{"futex_wait", unix.EINTR, ""},
		{"futex_wait", unix.EAGAIN, ""},
		{"futex_wait", unix.EFAULT, channel.ErrFault.Error()},
		{"futex_waitv", unix.EFAULT, channel.ErrFault.Error()},
		{"futex_waitv", unix.EINTR, ""},
		{"futex_waitv", unix.ENOSYS, ""},
		{"futex_waitv", unix.EPERM, ""},
	} {
		out := attempt(t, "whole", &injection{name: c.call, nth: 1, errno: c.errno})
		// Whether sleepers share a thread, which calls futex_waitv, is a matter of time.
		for tries := 0; !out.tr.hit && tries < 50; tries++ {
			out = attempt(t, "whole", &injection{name: c.call, nth: 1, errno: c.errno})
		}
		what := fmt.Sprintf("%s: %v: %s", c.call, c.errno, out.answer)
		require.True(t, out.tr.hit, what)
		if c.want == "" {
			require.Equal(t, "done", out.answer, what)
			continue
		}
		require.True(t, strings.HasPrefix(out.answer, "failed: "), what)
		require.Contains(t, out.answer, c.want, what)
	}
}
