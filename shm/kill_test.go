//go:build linux

package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/shm"
)

func init() { children["attach"] = childAttach }

// childAttach has a segment open and holds nothing of it.
func childAttach(c *shmtest.Conn, args []string) error {
	if _, err := shm.Open(context.Background(), shm.OpenOptions{Name: args[0]}); err != nil {
		return err
	}
	c.Say("attached")
	c.Hear()
	return nil
}

func TestKillEndsAStoppedHolderOfAPlace(t *testing.T) {
	begin(t)
	s := create(t, "a")
	child := shmtest.Start(t, "claim", "a", "2")
	child.Expect("claimed")
	child.Signal(syscall.SIGSTOP)
	got, err := s.Kill(child.PID())
	require.NoError(t, err)
	require.Equal(t, shm.Held{Places: []int{2}}, got)
	require.ErrorContains(t, child.Wait(), "signal: killed")
	for alive(t, s, 2) {
		shmtest.Yield()
	}
}

func TestKillEndsAStoppedHolderOfTheControlLock(t *testing.T) {
	begin(t)
	s := create(t, "a")
	child := shmtest.Start(t, "control", "a")
	child.Expect("locked")
	child.Signal(syscall.SIGSTOP)
	for statusOf(t, child.PID()) != "T" {
		shmtest.Yield()
	}
	_, err := s.Control(soon(t), "test")
	require.ErrorContains(t, err, ", stopped, to sit on it since")
	got, err := s.Kill(child.PID())
	require.NoError(t, err)
	require.Equal(t, shm.Held{Control: true}, got)
	release, err := s.Control(t.Context(), "test")
	require.NoError(t, err)
	release()
}

// TestKillSparesWhoHoldsNothing tries everybody else, also where the rows name them.
func TestKillSparesWhoHoldsNothing(t *testing.T) {
	begin(t)
	s := create(t, "a")
	other := create(t, "b")
	elsewhere := shmtest.Start(t, "claim", "b", "2")
	elsewhere.Expect("claimed")
	attached := shmtest.Start(t, "attach", "a")
	attached.Expect("attached")
	gone := shmtest.Start(t, "attach", "missing")
	require.Error(t, gone.Wait())

	for pid, why := range map[int]error{
		0: fs.ErrInvalid, -1: fs.ErrInvalid, os.Getpid(): fs.ErrInvalid,
		gone.PID(): shm.ErrNoHolder, elsewhere.PID(): shm.ErrNoHolder,
		attached.PID(): shm.ErrNoHolder,
	} {
		_, err := s.Kill(pid)
		require.ErrorIs(t, err, why, "pid %d", pid)
	}

	// A row may say what it wants.
	row := &s.View().Participants[3]
	me := shm.Myself()
	name := func(pid int, pidns, start uint64) {
		shm.Self{PID: uint32(pid), PIDNS: pidns, Start: start}.Store(&row.Who, layout.RoleSender)
		row.Claim.Store(7)
	}
	require.NoError(t, s.Claim(3))
	for why, as := range map[string]func(){
		"was another process, which has ended": func() { name(elsewhere.PID(), me.PIDNS, 1) },
		"is of another pid namespace":          func() { name(elsewhere.PID(), me.PIDNS+1, 1) },
	} {
		as()
		_, err := s.Kill(elsewhere.PID())
		require.ErrorIs(t, err, shm.ErrNoHolder)
		require.ErrorContains(t, err, why)
	}
	assert.True(t, elsewhere.Running())
	assert.True(t, attached.Running())
	assert.True(t, alive(t, other, 2))
}

// TestKillNeedsAnExclusiveLockByDescription: others who lock bytes are no participants.
func TestKillNeedsAnExclusiveLockByDescription(t *testing.T) {
	begin(t)
	s := create(t, "a")
	child := shmtest.Start(t, "squat", "a")
	child.Expect("squatting")
	_, err := s.Kill(child.PID())
	require.ErrorIs(t, err, shm.ErrNoHolder)
	assert.True(t, child.Running())
}

func init() { children["squat"] = childSquat }

func childSquat(c *shmtest.Conn, args []string) error {
	s, err := shm.Open(context.Background(), shm.OpenOptions{Name: args[0]})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.Path(), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	at := int64(layout.LockBase + layout.LockParticipant)
	l := unix.Flock_t{Type: unix.F_RDLCK, Start: at, Len: 8}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l); err != nil {
		return err
	}
	l = unix.Flock_t{Type: unix.F_WRLCK, Start: at + 8, Len: 8}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &l); err != nil {
		return err
	}
	c.Say("squatting")
	c.Hear()
	return nil
}

func init() { children["kill-as-nobody"] = childKillAsNobody }

// childKillAsNobody opens a segment, becomes nobody, and kills.
func childKillAsNobody(c *shmtest.Conn, args []string) error {
	s, err := shm.Open(context.Background(), shm.OpenOptions{Name: args[0]})
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if err := syscall.Setresuid(nobody, nobody, nobody); err != nil {
		return err
	}
	_, err = s.Kill(pid)
	c.Say("%v: %s", errors.Is(err, fs.ErrPermission), err)
	return nil
}

func TestKillOfAnotherUsersProcessIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become nobody")
	}
	begin(t)
	create(t, "a")
	child := shmtest.Start(t, "claim", "a", "2")
	child.Expect("claimed")
	pid := strconv.Itoa(child.PID())
	killer := shmtest.Start(t, "kill-as-nobody", "a", pid)
	line, _ := killer.Hear()
	require.Contains(t, line, "true: see what pid "+pid+" holds: ")
	require.NoError(t, killer.Wait())
	assert.True(t, child.Running())
}
