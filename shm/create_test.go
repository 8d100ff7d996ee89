//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/shm"
)

func TestCreatedSegmentIsWholeAndHasItsNumbers(t *testing.T) {
	dir := begin(t)
	initialised := false
	s, err := shm.Create(t.Context(), shm.CreateOptions{
		Name: "a", Params: params(), Init: func(v *layout.View) {
			initialised = true
			v.Control.State.V.Store(7)
		},
	})
	require.NoError(t, err)
	closeAtEnd(t, s)
	assert.True(t, initialised)
	assert.Equal(t, "a", s.Name())
	assert.Equal(t, fileOf(dir, "a"), s.Path())
	assert.False(t, s.Nameless())
	assert.False(t, s.ReadOnly())
	assert.True(t, s.SameBoot())
	assert.NotZero(t, s.Instance())
	assert.EqualValues(t, os.Getpid(), s.Header().CreatorPID)
	assert.EqualValues(t, os.Geteuid(), s.Header().CreatorUID)
	links, err := s.Links()
	require.NoError(t, err)
	assert.EqualValues(t, 1, links)
	linked, err := s.Linked()
	require.NoError(t, err)
	assert.True(t, linked)

	other := open(t, "a")
	assert.Equal(t, s.Instance(), other.Instance())
	assert.EqualValues(t, 7, other.View().Control.State.V.Load())
	var st unix.Stat_t
	require.NoError(t, unix.Stat(s.Path(), &st))
	assert.EqualValues(t, s.Header().TotalSize, st.Size)
	assert.GreaterOrEqual(t, uint64(st.Blocks)*512, s.Header().TotalSize, "space is allocated")
}

func TestModeOfACreatedSegmentDoesNotDependOnTheUmask(t *testing.T) {
	begin(t)
	for _, umask := range []int{0, 0o022, 0o077} {
		for want, mode := range map[fs.FileMode]fs.FileMode{
			0o600: 0, 0o660: 0o660, 0o666: 0o666, 0o640: 0o640,
		} {
			old := unix.Umask(umask)
			s, err := shm.Create(t.Context(), shm.CreateOptions{
				Name: "a", Params: params(), Mode: mode,
			})
			unix.Umask(old)
			require.NoError(t, err)
			info, err := os.Stat(s.Path())
			require.NoError(t, err)
			assert.Equal(t, want, info.Mode(), "umask %#o, mode %#o", umask, mode)
			require.NoError(t, s.Detach(t.Context(), always))
		}
	}
}

func TestCreateRefusesWhatMakesNoSegment(t *testing.T) {
	dir := begin(t)
	ctx := t.Context()
	_, err := shm.Create(ctx, shm.CreateOptions{Name: "a", Params: layout.Params{}})
	require.ErrorIs(t, err, layout.ErrInvalid)
	_, err = shm.Create(ctx, shm.CreateOptions{
		Name: "a", Params: params(), Mode: fs.ModeSetuid | 0o600,
	})
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = shm.Create(ctx, shm.CreateOptions{
		Name: "a", Params: params(), Dir: filepath.Join(dir, "missing"),
	})
	require.ErrorIs(t, err, fs.ErrNotExist)
	ended, cancel := context.WithCancelCause(ctx)
	cause := errors.New("not any more")
	cancel(cause)
	_, err = shm.Create(ended, shm.CreateOptions{Name: "a", Params: params()})
	assert.ErrorIs(t, err, cause)
}

func TestCreateInAFileSystemWithoutUnnamedFilesSaysWhatToDo(t *testing.T) {
	begin(t)
	_, err := shm.Create(t.Context(), shm.CreateOptions{
		Name: "a", Params: params(), Dir: "/proc/self",
	})
	require.Error(t, err)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		assert.ErrorContains(t, err, shm.EnvDir)
	}
}

func TestCreateNeverTouchesATakenName(t *testing.T) {
	dir := begin(t)
	s := create(t, "a")
	again := shm.CreateOptions{Name: "a", Params: params()}
	_, err := shm.Create(t.Context(), again)
	require.ErrorIs(t, err, fs.ErrExist)
	linked, err := s.Linked()
	require.NoError(t, err)
	assert.True(t, linked)

	for name, make := range map[string]func(path string) error{
		"dangling": func(path string) error { return os.Symlink("nowhere", path) },
		"fifo":     func(path string) error { return unix.Mkfifo(path, 0o600) },
		"dir":      func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := fileOf(dir, name)
		require.NoError(t, make(path))
		before, err := os.Lstat(path)
		require.NoError(t, err)
		_, err = shm.Create(t.Context(), shm.CreateOptions{Name: name, Params: params()})
		require.ErrorIs(t, err, fs.ErrExist, name)
		after, err := os.Lstat(path)
		require.NoError(t, err)
		assert.True(t, os.SameFile(before, after))
		require.NoError(t, os.Remove(path))
	}
	_, err = os.Lstat(filepath.Join(dir, "nowhere"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOfConcurrentCreatorsOneWinsAndTheOthersCanAttach(t *testing.T) {
	begin(t)
	const creators = 8
	for round := range 20 {
		name := fmt.Sprint("r", round)
		var won atomic.Pointer[shm.Segment]
		var wins atomic.Int32
		var all sync.WaitGroup
		for range creators {
			all.Go(func() {
				s, err := shm.Create(t.Context(), shm.CreateOptions{Name: name, Params: params()})
				if err == nil {
					wins.Add(1)
					won.Store(s)
					return
				}
				if !errors.Is(err, fs.ErrExist) {
					t.Error(err)
					return
				}
				s, err = shm.Open(t.Context(), shm.OpenOptions{Name: name})
				if assert.NoError(t, err, "a name that is taken is a whole segment") {
					assert.NoError(t, s.Close())
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, wins.Load())
		require.NoError(t, won.Load().Detach(t.Context(), always))
	}
}

func TestNamelessSegmentLeavesNothing(t *testing.T) {
	dir := begin(t)
	s, err := shm.Create(t.Context(), shm.CreateOptions{Params: params()})
	require.NoError(t, err)
	assert.True(t, s.Nameless())
	assert.Empty(t, s.Path())
	links, err := s.Links()
	require.NoError(t, err)
	assert.Zero(t, links)
	linked, err := s.Linked()
	require.NoError(t, err)
	assert.False(t, linked)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files)
	require.NoError(t, s.Detach(t.Context(), func() bool {
		t.Error("nobody can decide about a name that is none")
		return true
	}))
}

// smallFS makes a tmpfs with those options, or skips the test. It is mounted nowhere, only open
// in this process: if that is killed nothing of it is left.
func smallFS(t *testing.T, options ...string) string {
	t.Helper()
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Skipf("a file system of its own needs root, and Linux 5.2: %v", err)
	}
	defer unix.Close(fs) //nolint:errcheck // the mount stays
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		require.NoError(t, unix.FsconfigSetString(fs, key, value))
	}
	require.NoError(t, unix.FsconfigCreate(fs))
	root, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, unix.Close(root)) })
	return fmt.Sprintf("/proc/self/fd/%d", root)
}

func TestCreateOnAFullFileSystemSaysHowMuchIsMissing(t *testing.T) {
	const size = 1 << 20
	begin(t)
	dir := smallFS(t, fmt.Sprintf("size=%d", size))
	p := params()
	p.ArenaSize = 4 << 20
	_, err := shm.Create(t.Context(), shm.CreateOptions{Dir: dir, Name: "a", Params: p})
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.ErrorIs(t, err, syscall.ENOSPC)
	var space *shm.NoSpaceError
	require.ErrorAs(t, err, &space)
	assert.Greater(t, space.Need, uint64(4<<20))
	assert.EqualValues(t, size, space.Free, "what the attempt took is given back")
	assert.Contains(t, space.Remedy, "remount,size=")
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files)

	s, err := shm.Create(t.Context(), shm.CreateOptions{Dir: dir, Name: "a", Params: params()})
	require.NoError(t, err, "a smaller one fits")
	require.NoError(t, s.Detach(t.Context(), always))
}
