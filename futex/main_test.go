//go:build linux

package futex

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
)

// childVar makes the test binary play the other process: "verb file".
const childVar = "SHMRING_FUTEX_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childVar); role != "" {
		verb, file, _ := strings.Cut(role, " ")
		if err := child(verb, file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// watchdog ends a test binary that hangs, with all stacks: a lost wake-up is a hang.
func watchdog(t *testing.T) {
	t.Helper()
	timer := time.AfterFunc(2*time.Minute, func() { panic(t.Name() + " hangs") })
	t.Cleanup(func() { timer.Stop() })
}

func testGeometry() layout.Geometry {
	g, err := layout.NewGeometry(layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: 1,
		SlotSize: layout.MinSlotSize, MaxParticipants: layout.MinParticipants,
	})
	if err != nil {
		panic(err)
	}
	return g
}

func mapFile(path string) (*layout.View, []byte, error) {
	g := testGeometry()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	defer unix.Close(fd) //nolint:errcheck // the mapping stays
	mem, err := unix.Mmap(fd, 0, int(g.TotalSize), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	v, err := layout.Overlay(mem, g)
	return v, mem, err
}

// takeAway makes memory as good as unmapped. Its addresses stay taken, or the next mapping
// of anybody in this process could lie there, and it could be slept on again.
func takeAway(mem []byte) error { return unix.Mprotect(mem, unix.PROT_NONE) }

// sharedFile returns the control words of a file that other processes can map, too.
func sharedFile(t *testing.T) (*layout.Control, string) {
	t.Helper()
	//nolint:usetesting // the words are to lie where those of segments do
	dir, err := os.MkdirTemp("/dev/shm", "shmring-test-*")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	path := filepath.Join(dir, "words")
	require.NoError(t, os.WriteFile(path, make([]byte, testGeometry().TotalSize), 0o600))
	v, mem, err := mapFile(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(mem)) })
	return v.Control, path
}

// startChild runs verb in another process. The returned function waits for its end.
func startChild(t *testing.T, verb, path string) (wait func()) {
	t.Helper()
	end := startFailing(t, verb, path)
	return func() {
		t.Helper()
		require.NoError(t, end(), "the other process failed at %q", verb)
	}
}

// startFailing is startChild of a process that is to fail.
func startFailing(t *testing.T, verb, path string) (wait func() error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+verb+" "+path,
		"GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0") // or each takes a second to end
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	return cmd.Wait
}

// alone are processes that share nothing with the test.
var alone = map[string]func() error{
	"park-many":     parkMany,
	"refuse-ENOSYS": func() error { return withoutVector(unix.ENOSYS) },
	"refuse-EPERM":  func() error { return withoutVector(unix.EPERM) },
	"refuse-ENOMEM": withoutMemory,
}

// verbs are processes that share control words with the test.
var verbs = map[string]func(c *layout.Control) error{
	"wake-one": func(c *layout.Control) error {
		wakeOne(&c.Data.Seq)
		return nil
	},
	"wait": func(c *layout.Control) error { return Wait(&c.Data.Seq, 0, Never) },
	"wait-any": func(c *layout.Control) error {
		_, err := WaitAny([]Word{{&c.Space.Seq, 0}, {&c.Data.Seq, 0}}, Never)
		return err
	},
	"pong": pong,
}

// child is the other process.
func child(verb, path string) error {
	if f := alone[verb]; f != nil {
		return f()
	}
	v, _, err := mapFile(path)
	if err != nil {
		return err
	}
	f := verbs[verb]
	if f == nil {
		return fmt.Errorf("unknown verb %q", verb)
	}
	return f(v.Control)
}

// rounds is how often ping and pong answer each other.
const rounds = 2000

// until sleeps at a place of e until done holds: the protocol of an event, without
// spinning and without a deadline, so that a lost wake-up hangs.
func until(e *layout.Event, place, places int, done func() bool) error {
	s := NewSleepers(e, places)
	s.Enter(place)
	defer s.Leave(place)
	for {
		seq := Sample(e)
		if done() {
			return nil
		}
		if err := Park(&e.Seq, seq, Never); err != nil {
			return err
		}
	}
}

// ping counts up the tail and waits for the head to follow.
func ping(c *layout.Control) error {
	for i := range uint64(rounds) {
		c.Tail.V.Store(i + 1)
		Signal(&c.Data, 4)
		if err := until(&c.Space, 0, 4, func() bool { return c.Head.V.Load() > i }); err != nil {
			return err
		}
	}
	return nil
}

// pong is the other side of ping.
func pong(c *layout.Control) error {
	for i := range uint64(rounds) {
		if err := until(&c.Data, 1, 4, func() bool { return c.Tail.V.Load() > i }); err != nil {
			return err
		}
		c.Head.V.Store(i + 1)
		Signal(&c.Space, 4)
	}
	return nil
}
