//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/shm"
)

// nobody is a user who owns nothing.
const nobody = 65534

func init() { children["nobody"] = childNobody }

// childNobody becomes nobody and does what it is told, until it hears nothing more.
func childNobody(c *shmtest.Conn, args []string) error {
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setresgid(nobody, nobody, nobody); err != nil {
		return err
	}
	if err := syscall.Setresuid(nobody, nobody, nobody); err != nil {
		return err
	}
	for _, verb := range args {
		if err := actAsNobody(verb); err != nil {
			c.Say("%s: %s: %s", verb, kindOf(err), strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			c.Say("%s: done", verb)
		}
	}
	c.Hear()
	return nil
}

func actAsNobody(verb string) error {
	ctx := context.Background()
	o := shm.OpenOptions{Name: "a"}
	verb, root := strings.CutSuffix(verb, " of root")
	if root {
		o.AllowUIDs = []uint32{0}
	}
	switch verb {
	case "create":
		_, err := shm.Create(ctx, shm.CreateOptions{Name: "a", Params: params()})
		return err
	case "remove":
		return shm.Remove(ctx, "", "a", shm.RemoveOptions{Force: true})
	case "observe":
		o.ReadOnly = true
		_, err := shm.Open(ctx, o)
		return err
	case "claim":
		s, err := shm.Open(ctx, o)
		if err != nil {
			return err
		}
		return s.Claim(5)
	case "list":
		entries, err := shm.List("")
		for _, e := range entries {
			err = errors.Join(err, e.Err)
		}
		return err
	case "squat":
		return squat("a")
	}
	return fmt.Errorf("unknown verb %q", verb)
}

// squat takes every lock that a mere reader can have, and keeps them.
func squat(name string) error {
	fd, err := unix.Open(shm.PathOf("", name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	all := unix.Flock_t{Type: unix.F_RDLCK, Start: layout.LockBase, Len: 0}
	return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &all)
}

func kindOf(err error) string {
	for kind, target := range map[string]error{
		"permission": fs.ErrPermission, "exists": fs.ErrExist, "busy": shm.ErrBusy,
	} {
		if errors.Is(err, target) {
			return kind
		}
	}
	return "other"
}

// beginOpen is begin in a directory like /dev/shm: everybody may create, and remove what
// is his.
func beginOpen(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become nobody")
	}
	dir := begin(t)
	require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	return dir
}

// told expects what nobody tells of each verb.
func told(t *testing.T, c *shmtest.Child, want ...string) {
	t.Helper()
	for _, prefix := range want {
		line, _ := c.Hear()
		require.True(t, strings.HasPrefix(line, prefix), "said %q, want %q… %s", line, prefix, c)
	}
}

func createMode(t *testing.T, mode fs.FileMode) *shm.Segment {
	t.Helper()
	s, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params(), Mode: mode})
	require.NoError(t, err)
	closeAtEnd(t, s)
	return s
}

func TestSegmentOfAnotherUserIsNotHis(t *testing.T) {
	beginOpen(t)
	createMode(t, 0)
	c := shmtest.Start(t, "nobody",
		"observe", "claim", "observe of root", "remove", "create", "list")
	told(t, c, "observe: permission", "claim: permission", "observe of root: permission",
		"remove: permission", "create: exists", "list: permission")
	require.FileExists(t, shm.PathOf("", "a"))
}

func TestSegmentThatAnotherUserMayReadCanOnlyBeObservedByWhoTrustsItsOwner(t *testing.T) {
	beginOpen(t)
	createMode(t, 0o644)
	c := shmtest.Start(t, "nobody", "observe", "observe of root", "claim of root", "remove")
	told(t, c, "observe: permission", "observe of root: done", "claim of root: permission",
		"remove: permission")
}

func TestSegmentThatAnotherUserMayWriteIsSharedWithWhoTrustsItsOwner(t *testing.T) {
	beginOpen(t)
	s := createMode(t, 0o666)
	c := shmtest.Start(t, "nobody", "claim", "claim of root")
	told(t, c, "claim: permission", "claim of root: done")
	require.True(t, alive(t, s, 5))
	c.Kill()
	for alive(t, s, 5) {
		shmtest.Yield()
	}
	require.NoError(t, s.Close())
	// Who may attach may ask for the file's end, but the directory says whose name it is.
	c = shmtest.Start(t, "nobody", "remove")
	told(t, c, "remove: permission")
	require.FileExists(t, s.Path())
}

func TestSegmentOfAGroupIsSharedWithItsMembers(t *testing.T) {
	beginOpen(t)
	s := createMode(t, 0o660)
	require.NoError(t, os.Chown(s.Path(), 0, nobody))
	c := shmtest.Start(t, "nobody", "claim")
	told(t, c, "claim: done")
	require.ErrorIs(t, s.Claim(5), shm.ErrBusy)
}

func TestNameThatAnotherUserTookIsRefusedByItsOwnersName(t *testing.T) {
	beginOpen(t)
	c := shmtest.Start(t, "nobody", "create")
	told(t, c, "create: done")
	_, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params()})
	require.ErrorIs(t, err, fs.ErrExist)
	require.Contains(t, openBoth(t, "a", fs.ErrPermission), "uid 65534")
	s, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a", AllowUIDs: []uint32{nobody}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	force := shm.RemoveOptions{Force: true}
	require.ErrorIs(t, shm.Remove(t.Context(), "", "a", force), shm.ErrBusy)
	c.Kill()
	require.NoError(t, shm.Remove(t.Context(), "", "a", force))
}

// TestReaderThatSquatsOnEveryByteIsNamedAndHangsNobody has a mere reader hold a shared lock
// on all bytes that are ever locked: nobody can claim, control or remove, and each is told
// why when its time is over.
func TestReaderThatSquatsOnEveryByteIsNamedAndHangsNobody(t *testing.T) {
	beginOpen(t)
	s := createMode(t, 0o644)
	c := shmtest.Start(t, "nobody", "squat")
	told(t, c, "squat: done")
	other := open(t, "a") // the attached byte is shared by all
	assert.False(t, alive(t, s, 5), "a shared lock is no sign of life")

	err := s.Claim(5)
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorContains(t, err, "a reader by a shared lock")
	_, err = s.Control(soon(t), "test")
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "a reader by a shared lock")
	won, err := s.TryExclusive()
	require.NoError(t, err)
	require.False(t, won)
	require.ErrorIs(t, other.Detach(soon(t), always), shm.ErrBusy)
	require.ErrorIs(t, s.Detach(soon(t), always), shm.ErrBusy)
	err = shm.Remove(soon(t), "", "a", shm.RemoveOptions{Force: true})
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorContains(t, err, "a reader by a shared lock")
	c.Kill()
	require.NoError(t, shm.Remove(t.Context(), "", "a", shm.RemoveOptions{}))
}

func TestProcessLockInTheWayIsNamedByItsPid(t *testing.T) {
	begin(t)
	s := create(t, "a")
	c := shmtest.Start(t, "oldlock", "a")
	c.Expect("locked")
	err := s.Claim(5)
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorContains(t, err, fmt.Sprintf("pid %d by a process lock", c.PID()))
	c.Kill()
	require.NoError(t, s.Claim(5))
}

func init() { children["oldlock"] = childOldLock }

// childOldLock locks places as programs did before locks belonged to descriptions.
func childOldLock(c *shmtest.Conn, args []string) error {
	fd, err := unix.Open(shm.PathOf("", args[0]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	l := unix.Flock_t{
		Type: unix.F_WRLCK, Start: layout.LockBase + layout.LockParticipant, Len: 10,
	}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &l); err != nil {
		return err
	}
	c.Say("locked")
	c.Hear()
	return nil
}

// TestSignalsDoNotDisturbLocksAndWaits creates, claims and detaches under a rain of signals.
func TestSignalsDoNotDisturbLocksAndWaits(t *testing.T) {
	begin(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Kill(os.Getpid(), unix.SIGURG) // the runtime's own
				shmtest.Yield()
			}
		}
	}()
	for range 50 {
		s := create(t, "a")
		require.NoError(t, s.Claim(1))
		_, err := s.Control(soon(t), "test")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err = s.Control(ctx, "test")
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, s.Close())
		require.NoError(t, shm.Remove(t.Context(), "", "a", shm.RemoveOptions{}))
	}
	close(stop)
	<-done
}
