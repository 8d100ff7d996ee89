//go:build linux

package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/shm"
)

// leftBehind makes a segment that nobody is attached to.
func leftBehind(t *testing.T, name string) *shm.Segment {
	t.Helper()
	s := create(t, name)
	require.NoError(t, s.Close())
	return s
}

func TestRemoveOfWhatNobodyUses(t *testing.T) {
	begin(t)
	s := leftBehind(t, "a")
	require.NoError(t, shm.Remove(t.Context(), "", "a", shm.RemoveOptions{}))
	require.NoFileExists(t, s.Path())
	require.ErrorIs(t, shm.Remove(t.Context(), "", "a", shm.RemoveOptions{}), fs.ErrNotExist)
}

func TestRemoveRefusesWhatSomebodyIsAttachedToEvenByForce(t *testing.T) {
	begin(t)
	s := create(t, "a")
	for _, force := range []bool{false, true} {
		err := shm.Remove(t.Context(), "", "a", shm.RemoveOptions{Force: force})
		require.ErrorIs(t, err, shm.ErrBusy)
		require.ErrorContains(t, err, "attached")
	}
	require.FileExists(t, s.Path())
	seen, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a", ReadOnly: true})
	require.NoError(t, err)
	closeAtEnd(t, seen)
	require.NoError(t, s.Close())
	err = shm.Remove(t.Context(), "", "a", shm.RemoveOptions{})
	require.NoError(t, err, "who observes is none")
}

func TestRemoveAsksWhatIsUnread(t *testing.T) {
	begin(t)
	s := leftBehind(t, "a")
	cause := errors.New("cannot count")
	count := func(n uint64, err error) shm.RemoveOptions {
		return shm.RemoveOptions{Unread: func(v *layout.View) (uint64, error) {
			assert.Zero(t, v.Control.State.V.Load(), "mapped")
			return n, err
		}}
	}
	err := shm.Remove(t.Context(), "", "a", count(3, nil))
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorContains(t, err, "messages are unread (3)")
	require.ErrorIs(t, shm.Remove(t.Context(), "", "a", count(0, cause)), cause)
	require.FileExists(t, s.Path())
	forced := count(3, nil)
	forced.Force = true
	require.NoError(t, shm.Remove(t.Context(), "", "a", forced))
	require.NoFileExists(t, s.Path())

	leftBehind(t, "a")
	require.NoError(t, shm.Remove(t.Context(), "", "a", count(0, nil)))
}

func TestRemoveWhoseCountMeetsMemoryThatIsGoneIsAnError(t *testing.T) {
	begin(t)
	s := leftBehind(t, "a")
	err := shm.Remove(t.Context(), "", "a", shm.RemoveOptions{
		Unread: func(v *layout.View) (uint64, error) {
			if err := os.Truncate(s.Path(), 0); err != nil {
				return 0, err
			}
			return v.Control.Tail.V.Load(), nil
		},
	})
	require.ErrorIs(t, err, shm.ErrFault)
	require.FileExists(t, s.Path())
}

func TestRemoveOfWhatCannotBeReadNeedsForce(t *testing.T) {
	dir := begin(t)
	path := fileOf(dir, "a")
	for _, size := range []int{0, 1, 5000} {
		require.NoError(t, os.WriteFile(path, make([]byte, size), 0o600))
		err := shm.Remove(t.Context(), "", "a", shm.RemoveOptions{})
		require.ErrorIs(t, err, shm.ErrCorrupt)
		require.ErrorContains(t, err, "only a forced remove")
		require.ErrorIs(t, shm.RemoveForeign(t.Context(), "", "a"), shm.ErrLayout)
		require.NoError(t, shm.Remove(t.Context(), "", "a", shm.RemoveOptions{Force: true}))
		require.NoFileExists(t, path)
	}
}

func TestRemoveTouchesNothingThatIsNoRegularFile(t *testing.T) {
	dir := begin(t)
	victim := leftBehind(t, "victim")
	require.NoError(t, os.Symlink(victim.Path(), fileOf(dir, "link")))
	require.NoError(t, unix.Mkfifo(fileOf(dir, "fifo"), 0o600))
	require.NoError(t, os.Mkdir(fileOf(dir, "dir"), 0o700))
	for name, want := range map[string]error{
		"link": fs.ErrPermission, "fifo": shm.ErrLayout, "dir": shm.ErrLayout,
	} {
		err := shm.Remove(t.Context(), "", name, shm.RemoveOptions{Force: true})
		require.ErrorIs(t, err, want, name)
		require.NoError(t, os.Remove(fileOf(dir, name)), "it is still there")
	}
	require.FileExists(t, victim.Path())
}

func TestRemoveForeignOnlyTakesAnotherLayout(t *testing.T) {
	begin(t)
	s := leftBehind(t, "a")
	require.ErrorIs(t, shm.RemoveForeign(t.Context(), "", "a"), shm.ErrLayout)
	rewrite(t, s.Path(), func(h *layout.Header) { h.Version = 99 })
	other := openFileLocked(t, s.Path())
	require.ErrorIs(t, shm.RemoveForeign(t.Context(), "", "a"), shm.ErrBusy)
	require.NoError(t, other.Close())
	require.NoError(t, shm.RemoveForeign(t.Context(), "", "a"))
	require.NoFileExists(t, s.Path())
	require.ErrorIs(t, shm.RemoveForeign(t.Context(), "", "a"), fs.ErrNotExist)
}

// openFileLocked opens a file as a program of another version does that attaches.
func openFileLocked(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	l := unix.Flock_t{Type: unix.F_RDLCK, Start: layout.LockBase + layout.LockAttached, Len: 1}
	require.NoError(t, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l))
	return f
}

func TestRemoveWaitsForTheControlLockUntilItsTimeIsOver(t *testing.T) {
	begin(t)
	s := create(t, "a")
	release, err := s.Control(t.Context(), "test")
	require.NoError(t, err)
	err = shm.Remove(soon(t), "", "a", shm.RemoveOptions{})
	require.ErrorIs(t, err, shm.ErrBusy)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	release()
}

func TestRemoveSparesASuccessor(t *testing.T) {
	begin(t)
	old := leftBehind(t, "a")
	err := shm.Remove(t.Context(), "", "a", shm.RemoveOptions{
		Unread: func(*layout.View) (uint64, error) { // somebody is quicker
			if err := os.Remove(old.Path()); err != nil {
				return 0, err
			}
			create(t, "a")
			return 0, nil
		},
	})
	require.NoError(t, err, "what was asked for is gone")
	require.FileExists(t, old.Path(), "the successor is not")
}

func TestListTellsWhatIsThere(t *testing.T) {
	dir := begin(t)
	s := create(t, "b")
	leftBehind(t, "a")
	require.NoError(t, os.WriteFile(fileOf(dir, "junk"), []byte("junk"), 0o640))
	require.NoError(t, os.WriteFile(dir+"/other", nil, 0o600))
	require.NoError(t, unix.Mkfifo(fileOf(dir, "pipe"), 0o600))
	defer func() {
		for _, file := range []string{fileOf(dir, "junk"), fileOf(dir, "pipe"), dir + "/other"} {
			require.NoError(t, os.Remove(file))
		}
	}()
	list, err := shm.List("")
	require.NoError(t, err)
	require.Len(t, list, 4)
	for i, want := range []struct {
		name     string
		attached bool
		err      error
	}{
		{"a", false, nil},
		{"b", true, nil},
		{"junk", false, shm.ErrCorrupt},
		{"pipe", false, shm.ErrLayout},
	} {
		e := list[i]
		assert.Equal(t, want.name, e.Name)
		assert.Equal(t, fileOf(dir, want.name), e.Path)
		assert.Equal(t, want.attached, e.Attached, e.Name)
		require.ErrorIs(t, e.Err, want.err, e.Name)
	}
	assert.Equal(t, s.Instance(), list[1].Header.Instance)
	assert.EqualValues(t, s.Header().TotalSize, list[1].Size)
	assert.Equal(t, s.Header().TotalSize, list[1].Geometry.TotalSize)
	assert.EqualValues(t, os.Geteuid(), list[1].UID)
	assert.Equal(t, fs.FileMode(0o640), list[2].Mode)
	_, err = shm.List(dir + "/missing")
	require.ErrorIs(t, err, fs.ErrNotExist)
}
