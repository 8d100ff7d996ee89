//go:build linux

package channel_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

func init() {
	children["live-writers"] = childWriters
	children["live-dumper"] = childDumper
}

// startInNamespace starts a child that is number 1 of a pid namespace of its own.
func startInNamespace(t *testing.T, name string, args ...string) *shmtest.Child {
	t.Helper()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if os.Geteuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return shmtest.StartAs(t, attr, name, args...)
}

// TestSenderOfAnotherPidNamespaceIsNoticedWhenItDies: there it is number 1, which is
// somebody else here.
func TestSenderOfAnotherPidNamespaceIsNoticedWhenItDies(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	child := startInNamespace(t, "reserve-and-wait", "q", "100")
	child.Expect("reserved")
	_, err = rx.Recv(short(t))
	require.ErrorContains(t, err, "sender pid 1 (")
	require.ErrorContains(t, err, "in another pid namespace alive")
	for _, p := range ch.Participants() {
		if p.Role == layout.RoleSender {
			require.EqualValues(t, 1, p.PID)
			require.True(t, p.Alive)
			require.False(t, p.Stopped, "that cannot be known from here")
			require.Contains(t, p.Who, "in another pid namespace")
		}
	}
	_, err = ch.Evict(ctx, 1)
	require.ErrorIs(t, err, channel.ErrNoHolder)
	require.ErrorContains(t, err, "is of another pid namespace: end it from there")
	require.True(t, child.Running())

	// By the number that it has here the kernel knows it.
	r, err := ch.Evict(ctx, child.PID())
	require.NoError(t, err)
	require.Equal(t, child.PID(), r.Killed)
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrPeerDead)
	require.EqualValues(t, 1, ch.Stats().Holes)
	require.NoError(t, ch.Close())
}

// TestChildThatIsKilledAndNotCollectedIsDead: a zombie still has its pid, and no lock.
func TestChildThatIsKilledAndNotCollectedIsDead(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "reserve-and-wait", "q", "100")
	child.Expect("reserved")
	child.Signal(syscall.SIGKILL)
	_, err = rx.Recv(ctx)
	requireNamed(t, err, child, layout.RoleSender)
	require.NoError(t, syscall.Kill(child.PID(), 0), "who asks by the pid is told that it lives")
	require.NoError(t, ch.Close())
}

// TestDeathIsNoticedThoughItsPidLives: the row's number is that of a process that lives.
func TestDeathIsNoticedThoughItsPidLives(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "reserve-and-wait", "q", "100")
	child.Expect("reserved")
	for _, p := range ch.Participants() {
		if p.Role == layout.RoleSender {
			ch.View().Participants[p.Place].Who.PID.Store(uint32(os.Getpid()))
		}
	}
	child.Kill()
	_, err = rx.Recv(ctx)
	require.ErrorIs(t, err, channel.ErrPeerDead)
	require.NoError(t, ch.Close())
}

// childWriters sends by four threads and receives by a fifth, until it is killed.
func childWriters(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for i := range 4 {
		tx, err := ch.Sender(ctx)
		if err != nil {
			return err
		}
		go func() {
			runtime.LockOSThread()
			for n := uint64(0); ; n++ {
				if err := tx.Send(ctx, message(uint64(i), n)); err != nil {
					failed <- err
				}
			}
		}()
	}
	go func() {
		runtime.LockOSThread()
		for buf := []byte(nil); ; {
			var err error
			if buf, err = rx.RecvAppend(ctx, buf[:0]); err != nil {
				failed <- err
			}
		}
	}()
	c.Say("writing")
	return <-failed
}

// TestNothingIsStoredAfterTheLocksAreFree kills a process whose threads all write. From the
// moment that its locks are seen free, no byte of the file changes any more.
func TestNothingIsStoredAfterTheLocksAreFree(t *testing.T) {
	began := time.Now()
	rounds := evidence.Size(t, "stores", 50)
	late := 0
	var times []time.Duration
	shmtest.Dir(t)
	dog := shmtest.Watchdog(t, limit)
	ctx := t.Context()
	for range rounds {
		dog.Reset(limit)
		ch, err := channel.Create(ctx, "q", channel.Options{
			Slots: 64, ArenaBytes: 32 << 10, MaxParticipants: 8, Lifetime: channel.Persistent,
		})
		require.NoError(t, err)
		require.NoError(t, ch.Close())
		// An observer stores nothing itself and settles nobody.
		seen, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
		require.NoError(t, err)
		child := shmtest.Start(t, "live-writers", "q")
		child.Expect("writing")
		look := func() []byte {
			b, err := os.ReadFile(seen.Path())
			require.NoError(t, err)
			return b
		}
		for before := look(); bytes.Equal(before, look()); { // or nothing would be shown
			runtime.Gosched()
		}
		killed := time.Now()
		child.Signal(syscall.SIGKILL)
		for anyAlive(seen) {
			runtime.Gosched()
		}
		times = append(times, time.Since(killed))
		first := look()
		for range 3 {
			if !bytes.Equal(first, look()) {
				late++
			}
		}
		child.Kill() // and collects it: now nothing of it is left
		if !bytes.Equal(first, look()) {
			late++
		}
		require.NoError(t, seen.Close())
		require.NoError(t, channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}))
	}
	require.Zero(t, late, "a store after the lock was free")
	evidence.Write(t, began, evidence.Record{
		Name: "stores", Title: "stores of a killed process after the kernel freed its locks",
		Guarantees: []string{"G7"},
		Counts:     map[string]int64{"kills": int64(rounds), "late_stores": int64(late)},
		Millis:     evidence.Quantiles(times),
		Note:       "five threads write; the times are from SIGKILL until the locks are free",
	})
}

func anyAlive(ch *channel.Channel) bool {
	for _, p := range ch.Participants() {
		if p.Alive {
			return true
		}
	}
	return false
}

// childDumper reserves a message and then dumps core when it is told to abort.
func childDumper(c *shmtest.Conn, args []string) error {
	if err := os.Chdir(args[1]); err != nil {
		return err
	}
	all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &all); err != nil {
		return err
	}
	_, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	if _, err := tx.Reserve(context.Background(), 100); err != nil {
		return err
	}
	ballast := bytes.Repeat([]byte{1}, 64<<20) // so that the dump takes its time
	c.Say("reserved")
	c.Hear()
	runtime.KeepAlive(ballast)
	return nil
}

// TestProcessThatDumpsCoreLivesUntilTheDumpIsDone: when its lock is free the file is whole.
func TestProcessThatDumpsCoreLivesUntilTheDumpIsDone(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	require.NoError(t, err)
	name := string(bytes.TrimSpace(pattern))
	if name == "" || bytes.ContainsAny(pattern, "|/%") {
		t.Skipf("core dumps do not go to a file in the working directory here: %q", name)
	}
	ctx := begin(t)
	dir := t.TempDir()
	t.Setenv("GOTRACEBACK", "crash")
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "live-dumper", "q", dir)
	child.Expect("reserved")
	core := func() int64 {
		for _, n := range []string{name, name + "." + strconv.Itoa(child.PID())} {
			if st, err := os.Stat(filepath.Join(dir, n)); err == nil {
				return st.Size()
			}
		}
		return 0
	}
	child.Signal(syscall.SIGQUIT)
	_, err = rx.Recv(ctx)
	then := core()
	requireNamed(t, err, child, layout.RoleSender)
	_ = child.Wait() // it was killed by its own signal
	if core() == 0 {
		t.Skip("no core was dumped here")
	}
	require.Equal(t, core(), then, "it was taken for dead while it dumped")
	require.NoError(t, ch.Close())
}
