//go:build linux

package shm_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/shm"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{
		"a", "Z", "0", "_", "-", "-rf", "a.b", "a..", "jobs-2_x.Y", strings.Repeat("n", 200),
	} {
		require.NoError(t, shm.CheckName(name), "%q", name)
	}
	for _, name := range []string{
		"", ".", "..", ".a", "../a", "a/b", "/a", "a/../b", "a\x00b", "a b", "a\n", "ä", "\xff",
		"a*", "a\\b", "~", strings.Repeat("n", 201),
	} {
		assert.ErrorIs(t, shm.CheckName(name), fs.ErrInvalid, "%q", name)
	}
}

func TestBadNameIsRefusedByEveryCallThatTakesOne(t *testing.T) {
	begin(t)
	ctx := t.Context()
	const name = "../x"
	_, err := shm.Create(ctx, shm.CreateOptions{Name: name, Params: params()})
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = shm.Open(ctx, shm.OpenOptions{Name: name})
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = shm.Open(ctx, shm.OpenOptions{})
	require.ErrorIs(t, err, fs.ErrInvalid, "no name at all")
	require.ErrorIs(t, shm.Remove(ctx, "", name, shm.RemoveOptions{Force: true}), fs.ErrInvalid)
	require.ErrorIs(t, shm.RemoveForeign(ctx, "", name), fs.ErrInvalid)
	assert.ErrorIs(t, shm.AwaitName(ctx, "", name), fs.ErrInvalid)
}

func TestDirIsThatOfTheEnvironment(t *testing.T) {
	t.Setenv(shm.EnvDir, "/somewhere")
	assert.Equal(t, "/somewhere", shm.Dir())
	assert.Equal(t, "/somewhere/shmring.a", shm.PathOf("", "a"))
	assert.Equal(t, "/else/shmring.a", shm.PathOf("/else", "a"))
	t.Setenv(shm.EnvDir, "")
	assert.Equal(t, "/dev/shm", shm.Dir())
}

func TestFilesThatAreNoSegmentsHaveNoName(t *testing.T) {
	for _, file := range []string{
		"shmring.", "shmring", "shmring..a", "xshmring.a", "a", "shmring.a b",
	} {
		_, ok := shm.NameOf(file)
		assert.False(t, ok, "%q", file)
	}
}

// FuzzName asserts that an accepted name stays in its directory and comes back from
// the name of its file.
func FuzzName(f *testing.F) {
	for _, name := range []string{
		"a", "", ".", "..", "a/b", "../a", "a.b-c_D9", "\x00", "a..", "-", strings.Repeat("n", 200),
		strings.Repeat("n", 201), "/", "a\n", "\xff", "shmring.a",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if err := shm.CheckName(name); err != nil {
			require.ErrorIs(t, err, fs.ErrInvalid)
			return
		}
		const dir = "/dev/shm/dir"
		path := shm.PathOf(dir, name)
		require.Equal(t, dir, filepath.Dir(path))
		require.Equal(t, path, filepath.Clean(path))
		require.LessOrEqual(t, len(filepath.Base(path)), 255, "a file name of Linux")
		back, ok := shm.NameOf(filepath.Base(path))
		require.True(t, ok)
		require.Equal(t, name, back)
	})
}
