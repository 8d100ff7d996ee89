//go:build linux

package shm_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/internal/shmtest"
	"shmring/shm"
)

func init() { children["heir"] = childHeir }

// childHeir says what it has of segments without having opened any.
func childHeir(c *shmtest.Conn, _ []string) error {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, fd := range fds {
		target, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		if strings.Contains(target, "shmring-test-") || strings.Contains(target, "inotify") {
			c.Say("inherited %s", target)
		}
	}
	c.Say("looked")
	return nil
}

func TestProgramsThatAreStartedInheritNothing(t *testing.T) {
	if race.Enabled && os.Getenv("SHMRING_RACE_VISIBLE") != "0" {
		t.Skip("the detector's mapping is one for all attachments")
	}
	begin(t)
	s := create(t, "a")
	seen, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a", ReadOnly: true})
	require.NoError(t, err)
	closeAtEnd(t, seen)
	open(t, "a")
	notify(t, s)
	shmtest.Start(t, "heir").Expect("looked")
	for _, flags := range vmFlags(t, s.Path()) {
		require.Contains(t, flags, " dc", "a fork without exec would get the mapping")
	}
}

// vmFlags returns what the kernel says of each mapping of a file.
func vmFlags(t *testing.T, path string) []string {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	var flags []string
	_, rest, more := strings.Cut(string(smaps), path)
	for ; more; _, rest, more = strings.Cut(rest, path) {
		_, of, ok := strings.Cut(rest, "VmFlags:")
		require.True(t, ok)
		line, _, _ := strings.Cut(of, "\n")
		flags = append(flags, line)
	}
	require.Len(t, flags, 2, "one of each that was opened by the name")
	return flags
}

func TestObserversMemoryCannotBeMadeWritable(t *testing.T) {
	begin(t)
	create(t, "a")
	seen, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a", ReadOnly: true})
	require.NoError(t, err)
	closeAtEnd(t, seen)
	err = unix.Mprotect(seen.Mem(), unix.PROT_READ|unix.PROT_WRITE)
	require.ErrorIs(t, err, unix.EACCES, "the description was opened for reading")
}

// TestHeaderIsReadOnceAndNeverAgain changes every byte of the header under an attachment:
// its geometry is a private copy.
func TestHeaderIsReadOnceAndNeverAgain(t *testing.T) {
	begin(t)
	s := create(t, "a")
	want, size, slots := s.Header(), len(s.Mem()), len(s.View().Slots)
	for i := range s.Mem()[:layout.PageSize] {
		s.Mem()[i] ^= 0xff
	}
	require.Equal(t, want, s.Header())
	require.Len(t, s.Mem(), size)
	require.Len(t, s.View().Slots, slots)
	require.NoError(t, s.Claim(3))
	alive, err := s.Alive(3)
	require.NoError(t, err)
	require.True(t, alive)
	require.NoError(t, s.Detach(t.Context(), always))
	require.NoFileExists(t, s.Path())
}

// TestLinksAndDevicesInADirectoryOfAllAreNeverFollowed has a stranger put something else
// under a name in a directory like /dev/shm, pointing at what only root may touch.
func TestLinksAndDevicesInADirectoryOfAllAreNeverFollowed(t *testing.T) {
	dir := beginOpen(t)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("untouched"), 0o600))
	path := fileOf(dir, "a")
	const loop = 7 << 8 // block device 7,0: maybe not there, and never opened
	for name, plant := range map[string]func() error{
		"symlink":      func() error { return os.Symlink(secret, path) },
		"chain":        func() error { return os.Symlink("/proc/self/fd/0", path) },
		"character":    func() error { return unix.Mknod(path, unix.S_IFCHR|0o666, 1<<8|5) },
		"block device": func() error { return unix.Mknod(path, unix.S_IFBLK|0o666, loop) },
		"fifo":         func() error { return unix.Mkfifo(path, 0o666) },
		"directory":    func() error { return os.Mkdir(path, 0o777) },
		"file":         func() error { return os.WriteFile(path, nil, 0o666) },
	} {
		if err := plant(); err != nil {
			t.Logf("%s cannot be planted here: %v", name, err)
			continue
		}
		require.NoError(t, os.Lchown(path, nobody, nobody))
		for _, readOnly := range []bool{false, true} {
			_, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a", ReadOnly: readOnly})
			require.Error(t, err, name)
		}
		_, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params()})
		require.ErrorIs(t, err, fs.ErrExist, name)
		_, err = shm.List("")
		require.NoError(t, err, name)
		if name != "file" {
			err = shm.Remove(t.Context(), "", "a", shm.RemoveOptions{Force: true})
			require.Error(t, err, "%s: not a segment's to remove", name)
		}
		require.NoError(t, os.Remove(path))
	}
	text, err := os.ReadFile(secret)
	require.NoError(t, err)
	require.Equal(t, "untouched", string(text))
}
