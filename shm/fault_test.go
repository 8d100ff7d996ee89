//go:build linux && fault

package shm_test

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/fault"
	"shmring/internal/shmtest"
	"shmring/shm"
)

func init() {
	children["create"] = childCreate
	children["detach"] = childDetach
	children["remove"] = childRemove
}

// rules sets fault rules for this process until the test ends.
func rules(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, fault.SetRules(text))
	t.Cleanup(func() { assert.NoError(t, fault.SetRules("")) })
}

// killedAt runs a child function that must be killed at a fault point.
func killedAt(t *testing.T, point, child string, args ...string) {
	t.Helper()
	t.Setenv(fault.EnvVar, point+":kill")
	c := shmtest.Start(t, child, args...)
	t.Setenv(fault.EnvVar, "")
	err := c.Wait()
	require.ErrorContains(t, err, "signal: killed", "point %s was not reached", point)
}

func childCreate(_ *shmtest.Conn, args []string) error {
	s, err := shm.Create(context.Background(), shm.CreateOptions{Name: args[0], Params: params()})
	if err != nil {
		return err
	}
	return s.Close()
}

func TestKillDuringCreateLeavesNoName(t *testing.T) {
	dir := begin(t)
	for _, point := range []string{
		"shm.create.opened", "shm.create.mode", "shm.create.allocated", "shm.create.filled",
		"shm.create.locked",
	} {
		killedAt(t, point, "create", "a")
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, files, point)
	}
	// From the last step on the segment is whole, and nobody is attached.
	killedAt(t, "shm.create.linked", "create", "a")
	s := open(t, "a")
	require.NoError(t, s.Detach(t.Context(), always))
}

func TestCreateWithoutSpaceSaysWhatIsMissing(t *testing.T) {
	dir := begin(t)
	rules(t, "shm.create.fallocate:errno=28")
	_, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params()})
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.ErrorIs(t, err, syscall.ENOSPC)
	var space *shm.NoSpaceError
	require.ErrorAs(t, err, &space)
	assert.NotZero(t, space.Need)
	assert.NotZero(t, space.Free)
	assert.NotEmpty(t, space.Remedy)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files)
}

func TestCreateReportsAnotherRefusalOfTheKernel(t *testing.T) {
	begin(t)
	rules(t, "shm.create.fallocate:errno=5")
	_, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params()})
	require.ErrorIs(t, err, syscall.EIO)
	require.NotErrorIs(t, err, shm.ErrNoSpace)
}

func childDetach(_ *shmtest.Conn, args []string) error {
	s, err := shm.Open(context.Background(), shm.OpenOptions{Name: args[0]})
	if err != nil {
		return err
	}
	return s.Detach(context.Background(), always)
}

func TestKillDuringTheLastDetachLeavesAWholeSegmentOrNone(t *testing.T) {
	begin(t)
	for point, gone := range map[string]bool{
		"shm.open.opened": false, "shm.open.checked": false, "shm.open.mapped": false,
		"shm.open.locked": false, "shm.control.locked": false, "shm.detach.control": false,
		"shm.unlink.compared": false, "shm.unlink.done": true, "shm.detach.gone": true,
		"shm.control.unlock": true,
	} {
		s, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params()})
		require.NoError(t, err)
		require.NoError(t, s.Close(), "it stays, as if its holder had been killed")
		killedAt(t, point, "detach", "a")
		heir, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
		if gone {
			require.ErrorIs(t, err, os.ErrNotExist, point)
			continue
		}
		require.NoError(t, err, point)
		require.NoError(t, heir.Detach(t.Context(), always), "what the dead held is free")
	}
}

func TestKillDuringADetachThatIsNotTheLastFreesWhatWasHeld(t *testing.T) {
	begin(t)
	s := create(t, "a")
	for _, point := range []string{"shm.detach.shared", "shm.detach.gone", "shm.control.unlock"} {
		killedAt(t, point, "detach", "a")
		release, err := s.Control(t.Context(), "test")
		require.NoError(t, err, point)
		alone, err := s.TryExclusive()
		require.NoError(t, err)
		require.True(t, alone, point)
		require.NoError(t, s.Downgrade())
		release()
	}
}

func childRemove(_ *shmtest.Conn, args []string) error {
	return shm.Remove(context.Background(), "", args[0], shm.RemoveOptions{})
}

func TestKillDuringRemoveCanBeRepeated(t *testing.T) {
	begin(t)
	s := create(t, "a")
	require.NoError(t, s.Close())
	for _, point := range []string{
		"shm.remove.control", "shm.remove.exclusive", "shm.remove.compared",
	} {
		killedAt(t, point, "remove", "a")
		require.NoError(t, open(t, "a").Close(), point)
	}
	require.NoError(t, shm.Remove(t.Context(), "", "a", shm.RemoveOptions{}))
}

// TestWithoutInotifyThereAreNoNoticesButNamesAreAwaited has no inotify instances left.
func TestWithoutInotifyThereAreNoNoticesButNamesAreAwaited(t *testing.T) {
	begin(t)
	s := create(t, "a")
	for rule, errno := range map[string]syscall.Errno{
		"shm.notify.init:errno=24": syscall.EMFILE, "shm.notify.add:errno=28": syscall.ENOSPC,
	} {
		rules(t, rule)
		_, err := s.Notify(func(shm.Notice) {})
		require.ErrorIs(t, err, errno)
		stop, err := s.Notify(func(shm.Notice) {})
		require.NoError(t, err, "the next may have one")
		stop()
	}
	rules(t, "shm.notify.init:errno=24")
	done := make(chan error, 1)
	go func() { done <- shm.AwaitName(t.Context(), "", "b") }()
	for range 100 {
		shmtest.Yield()
	}
	create(t, "b")
	require.NoError(t, <-done)
	rules(t, "shm.notify.init:errno=24")
	require.ErrorIs(t, shm.AwaitName(soon(t), "", "c"), context.DeadlineExceeded)
}

func TestKillWhileClaimingOrFreeingAPlaceFreesIt(t *testing.T) {
	begin(t)
	s := create(t, "a")
	for _, point := range []string{"shm.claim.locked", "shm.control.locked"} {
		t.Setenv(fault.EnvVar, point+":kill")
		verb := "claim"
		if point == "shm.control.locked" {
			verb = "control"
		}
		c := shmtest.Start(t, verb, "a", "5")
		t.Setenv(fault.EnvVar, "")
		require.ErrorContains(t, c.Wait(), "signal: killed", point)
		require.NoError(t, s.Claim(5), point)
		require.NoError(t, s.Unclaim(5))
		release, ok, err := s.TryControl("test")
		require.NoError(t, err)
		require.True(t, ok, point)
		release()
	}
}

// TestReaderOfNoticesEndsWhereItMayNotPoll lets the kernel refuse the poll: notices are read
// by the runtime's poller then, and the last subscription still ends the reader.
func TestReaderOfNoticesEndsWhereItMayNotPoll(t *testing.T) {
	begin(t)
	rules(t, "shm.notify.poll:errno=13")
	s := create(t, "a")
	heard := make(chan shm.Notice, 100)
	stop, err := s.Notify(func(n shm.Notice) { heard <- n })
	require.NoError(t, err)
	other := open(t, "a")
	require.NoError(t, other.Close())
	<-heard
	stop()
	rules(t, "shm.notify.poll:errno=13")
	stop, err = s.Notify(func(shm.Notice) {})
	require.NoError(t, err)
	stop() // before anything came
	require.NoError(t, s.Detach(t.Context(), func() bool { return true }))
}
