//go:build linux

package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/internal/shmtest"
	"shmring/shm"
)

// openBoth tries to attach in both ways, expects the same refusal, and returns its text.
func openBoth(t *testing.T, name string, want error) (text string) {
	t.Helper()
	for _, readOnly := range []bool{true, false} {
		s, err := shm.Open(t.Context(), shm.OpenOptions{Name: name, ReadOnly: readOnly})
		require.ErrorIs(t, err, want, "read-only: %v", readOnly)
		require.Nil(t, s)
		text = err.Error()
	}
	return text
}

func TestOpenRefusesWhatIsNoRegularFile(t *testing.T) {
	dir := begin(t)
	s := create(t, "real")
	openBoth(t, "missing", fs.ErrNotExist)

	require.NoError(t, os.Symlink(s.Path(), fileOf(dir, "link")))
	openBoth(t, "link", fs.ErrPermission)
	require.NoError(t, unix.Mkfifo(fileOf(dir, "fifo"), 0o600))
	openBoth(t, "fifo", shm.ErrLayout)
	require.NoError(t, os.Mkdir(fileOf(dir, "dir"), 0o700))
	openBoth(t, "dir", shm.ErrLayout)
	sock, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Bind(sock, &unix.SockaddrUnix{Name: fileOf(dir, "sock")}))
	require.NoError(t, unix.Close(sock))
	openBoth(t, "sock", shm.ErrLayout)
	for _, name := range []string{"link", "fifo", "dir", "sock"} {
		require.NoError(t, os.Remove(fileOf(dir, name)))
	}

	const null = 1<<8 | 3
	if err := unix.Mknod(fileOf(dir, "null"), unix.S_IFCHR|0o600, null); err == nil {
		_, err := shm.Open(t.Context(), shm.OpenOptions{Name: "null"})
		assert.Error(t, err)
		require.NoError(t, os.Remove(fileOf(dir, "null")))
	}
}

func TestOpenRefusesASegmentWithTwoNames(t *testing.T) {
	dir := begin(t)
	s := create(t, "a")
	require.NoError(t, os.Link(s.Path(), fileOf(dir, "b")))
	for _, name := range []string{"a", "b"} {
		assert.Contains(t, openBoth(t, name, fs.ErrPermission), "2 names")
	}
	require.NoError(t, os.Remove(fileOf(dir, "b")))
	require.NoError(t, open(t, "a").Close())
}

func TestOpenRefusesTheFileOfAnotherUserUnlessHeIsTrusted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	const stranger = 54321
	begin(t)
	s := create(t, "a")
	require.NoError(t, os.Chown(s.Path(), stranger, stranger))
	text := openBoth(t, "a", fs.ErrPermission)
	assert.Contains(t, text, "uid 54321")
	assert.Contains(t, text, "uid 0")

	allowed, err := shm.Open(t.Context(), shm.OpenOptions{
		Name: "a", AllowUIDs: []uint32{7, stranger},
	})
	require.NoError(t, err)
	require.NoError(t, allowed.Close())

	require.NoError(t, os.Chmod(s.Path(), 0o660))
	openBoth(t, "a", fs.ErrPermission) // a group that we are not in
	require.NoError(t, os.Chown(s.Path(), stranger, os.Getegid()))
	require.NoError(t, open(t, "a").Close())
	require.NoError(t, os.Chmod(s.Path(), 0o606))
	openBoth(t, "a", fs.ErrPermission) // what anybody may write is nobody's
}

func TestOpenRefusesADamagedHeader(t *testing.T) {
	begin(t)
	s := create(t, "a")
	good, err := os.ReadFile(s.Path())
	require.NoError(t, err)
	step := 1
	if testing.Short() || race.Enabled { // nothing here runs beside anything
		step = 13
	}
	for i := 0; i < layout.PageSize; i += step {
		bad := append([]byte(nil), good[:layout.PageSize]...)
		bad[i] ^= 0xff
		writeAt(t, s.Path(), bad)
		opened, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
		if err == nil {
			_ = opened.Close() // the test has failed anyway
		}
		require.Error(t, err, "byte %d", i)
		require.True(t, errors.Is(err, shm.ErrCorrupt) || errors.Is(err, shm.ErrLayout),
			"byte %d: %v", i, err)
	}
	writeAt(t, s.Path(), good[:layout.PageSize])
	require.NoError(t, open(t, "a").Close())
}

func writeAt(t *testing.T, path string, page []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(page, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// rewrite changes the header of a file and gives it a new checksum.
func rewrite(t *testing.T, path string, change func(h *layout.Header)) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	h, _, err := layout.Decode(data[:layout.PageSize], uint64(len(data)))
	require.NoError(t, err)
	change(&h)
	page := h.Encode()
	require.NotZero(t, xxhash.Sum64(page))
	writeAt(t, path, page)
}

func TestOpenTellsForeignFromDamaged(t *testing.T) {
	begin(t)
	for name, c := range map[string]struct {
		change func(h *layout.Header)
		want   error
	}{
		"version":     {func(h *layout.Header) { h.Version++ }, shm.ErrLayout},
		"fingerprint": {func(h *layout.Header) { h.Fingerprint++ }, shm.ErrLayout},
		"lock base":   {func(h *layout.Header) { h.LockBase = 1 << 50 }, shm.ErrLayout},
		"incompat":    {func(h *layout.Header) { h.Incompat = 1 }, shm.ErrLayout},
		"magic":       {func(h *layout.Header) { h.Magic++ }, shm.ErrCorrupt},
		"size":        {func(h *layout.Header) { h.TotalSize++ }, shm.ErrCorrupt},
		"slots":       {func(h *layout.Header) { h.SlotCount = 3 }, shm.ErrCorrupt},
		"more slots":  {func(h *layout.Header) { h.SlotCount *= 256 }, shm.ErrCorrupt},
	} {
		s := create(t, "a")
		rewrite(t, s.Path(), c.change)
		assert.NotEmpty(t, openBoth(t, "a", c.want), name)
		require.NoError(t, os.Remove(s.Path()))
	}
}

func TestOpenRefusesAFileOfAnotherSize(t *testing.T) {
	begin(t)
	s := create(t, "a")
	size := int64(s.Header().TotalSize)
	for _, other := range []int64{size + 1, size * 2, size - 1, 4096, 4095, 1, 0} {
		require.NoError(t, os.Truncate(s.Path(), other))
		openBoth(t, "a", shm.ErrCorrupt)
	}
}

func TestOpenRefusesGarbage(t *testing.T) {
	dir := begin(t)
	path := fileOf(dir, "a")
	for _, size := range []int{0, 1, 4096, 10000} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i*7 + 1)
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
		openBoth(t, "a", shm.ErrCorrupt)
	}
	require.NoError(t, os.Remove(path))
}

func TestUnknownReadOnlyFeaturesCanBeObserved(t *testing.T) {
	begin(t)
	s := create(t, "a")
	rewrite(t, s.Path(), func(h *layout.Header) { h.ROCompat = 2 })
	_, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
	require.ErrorIs(t, err, shm.ErrLayout)
	seen, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a", ReadOnly: true})
	require.NoError(t, err)
	require.NoError(t, seen.Close())
}

func TestObserverCanWriteAndHoldNothing(t *testing.T) {
	begin(t)
	ctx := t.Context()
	s := create(t, "a")
	s.View().Control.State.V.Store(5)
	seen, err := shm.Open(ctx, shm.OpenOptions{Name: "a", ReadOnly: true})
	require.NoError(t, err)
	closeAtEnd(t, seen)
	assert.True(t, seen.ReadOnly())
	assert.EqualValues(t, 5, seen.View().Control.State.V.Load())
	err = seen.Guard(func() error {
		seen.View().Slots[0] = 6 // the race detector cannot bear that of an atomic store
		return nil
	})
	require.ErrorIs(t, err, shm.ErrFault, "the kernel refuses the store")
	assert.Zero(t, s.View().Slots[0])

	require.ErrorIs(t, seen.Claim(0), fs.ErrPermission)
	_, err = seen.Control(ctx, "test")
	require.ErrorIs(t, err, fs.ErrPermission)
	_, _, err = seen.TryControl("test")
	require.ErrorIs(t, err, fs.ErrPermission)
	_, err = seen.TryExclusive()
	require.ErrorIs(t, err, fs.ErrPermission)
	f, err := seen.File()
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{1}, 0)
	require.Error(t, err)
	require.NoError(t, f.Close())

	// It stands in nobody's way and does not count as attached.
	require.NoError(t, s.Claim(3))
	alive, err := seen.Alive(3)
	require.NoError(t, err)
	assert.True(t, alive)
	require.NoError(t, seen.Detach(ctx, always), "it decides nothing")
	linked, err := s.Linked()
	require.NoError(t, err)
	assert.True(t, linked)
}

// awaitDescriptors waits until this process has so many descriptors of a file.
func awaitDescriptors(t *testing.T, path string, want int) {
	t.Helper()
	file, err := os.Stat(path)
	require.NoError(t, err)
	for got := 0; got < want; shmtest.Yield() {
		fds, err := filepath.Glob("/proc/self/fd/*")
		require.NoError(t, err)
		got = 0
		for _, fd := range fds {
			info, err := os.Stat(fd)
			if err == nil && os.SameFile(info, file) {
				got++
			}
		}
	}
}

func TestAttachingWaitsForWhoeverRemovesAndThenFindsTheSuccessor(t *testing.T) {
	dir := begin(t)
	first, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params()})
	require.NoError(t, err)
	release, err := first.Control(t.Context(), "test")
	require.NoError(t, err)
	won, err := first.TryExclusive()
	require.NoError(t, err)
	require.True(t, won)

	_, err = shm.Open(soon(t), shm.OpenOptions{Name: "a"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, shm.ErrBusy)

	opened := make(chan *shm.Segment)
	go func() {
		s, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
		assert.NoError(t, err)
		opened <- s
	}()
	awaitDescriptors(t, first.Path(), 4) // file and probe of both
	// The successor gets the name while the first is still held exclusively.
	require.NoError(t, first.Unlink())
	second := create(t, "a")
	release()
	require.NoError(t, first.Close())
	s := <-opened
	require.NotNil(t, s)
	assert.Equal(t, second.Instance(), s.Instance())
	require.NoError(t, s.Close())
	assert.NoError(t, os.Remove(filepath.Join(dir, "shmring.a")))
}

func TestAttachingToWhatIsUnlinkedMeanwhileFindsNothing(t *testing.T) {
	begin(t)
	first, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params()})
	require.NoError(t, err)
	won, err := first.TryExclusive()
	require.NoError(t, err)
	require.True(t, won)
	done := make(chan error)
	go func() {
		_, err := shm.Open(t.Context(), shm.OpenOptions{Name: "a"})
		done <- err
	}()
	awaitDescriptors(t, first.Path(), 4)
	require.NoError(t, first.Unlink())
	require.NoError(t, first.Downgrade(), "an opener that waited gets its lock")
	require.ErrorIs(t, <-done, fs.ErrNotExist)
	require.NoError(t, first.Close())
}
