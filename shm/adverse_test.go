//go:build linux

package shm_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/shm"
)

func TestFileOfACreatorKeepsItsName(t *testing.T) {
	begin(t)
	a := create(t, "a")
	f, err := a.File()
	require.NoError(t, err)
	b, err := shm.OpenFile(f, shm.OpenOptions{})
	require.NoError(t, err)
	assert.Equal(t, "a", b.Name())
	require.NoError(t, a.Detach(t.Context(), func() bool { t.Error("b is attached"); return true }))
	require.NoError(t, b.Detach(t.Context(), always))
	assert.NoFileExists(t, a.Path(), "the last clean detach of an ephemeral segment")
}

func TestFileOfAnAttacherKeepsItsName(t *testing.T) {
	begin(t)
	a := create(t, "a")
	c := open(t, "a")
	f, err := c.File()
	require.NoError(t, err)
	b, err := shm.OpenFile(f, shm.OpenOptions{})
	require.NoError(t, err)
	assert.Equal(t, "a", b.Name())
	require.NoError(t, a.Detach(t.Context(), never))
	require.NoError(t, c.Detach(t.Context(), never))
	require.NoError(t, b.Detach(t.Context(), always))
	assert.NoFileExists(t, a.Path())
}

func TestADamagedLockOffsetDoesNotUnlinkALiveSegment(t *testing.T) {
	begin(t)
	a := create(t, "a")
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], layout.LockBase^(1<<40))
	f, err := os.OpenFile(a.Path(), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(b[:], 24)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	err = shm.RemoveForeign(t.Context(), "", "a")
	require.Error(t, err)
	require.FileExists(t, a.Path(), "somebody is attached")
}

func TestADamagedLockOffsetDoesNotUnlinkALiveSegmentByForce(t *testing.T) {
	begin(t)
	a := create(t, "a")
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], layout.LockBase^(1<<40))
	f, err := os.OpenFile(a.Path(), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(b[:], 24)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	list, err := shm.List("")
	require.NoError(t, err)
	assert.True(t, list[0].Attached)
	err = shm.Remove(t.Context(), "", "a", shm.RemoveOptions{Force: true})
	require.ErrorIs(t, err, shm.ErrBusy)
	require.FileExists(t, a.Path(), "somebody is attached")
}

func TestASecondDetachDoesNotPullTheMemoryFromUnderTheFirst(t *testing.T) {
	begin(t)
	s := create(t, "a")
	in, out := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- s.Detach(context.Background(), func() bool {
			close(in)
			<-out
			return s.View().Control.State.V.Load() == 0
		})
	}()
	<-in
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, s.Detach(ended, always), "it is on its way")
	close(out)
	require.NoError(t, <-first)
	assert.NoFileExists(t, s.Path())
}

func TestOpenFileOfAnUnlinkedNamedSegmentIsNotTakenForNameless(t *testing.T) {
	begin(t)
	a := create(t, "a")
	c := open(t, "a")
	f, err := c.File()
	require.NoError(t, err)
	require.NoError(t, c.Detach(t.Context(), never))
	require.NoError(t, a.Detach(t.Context(), always))
	b, err := shm.OpenFile(f, shm.OpenOptions{})
	require.NoError(t, err)
	assert.False(t, b.Nameless(), "or nobody would tell that it is orphaned")
	links, err := b.Links()
	require.NoError(t, err)
	assert.Zero(t, links)
	require.NoError(t, b.Detach(t.Context(), always))
}

func TestOpenFileOfAFIFODoesNotHang(t *testing.T) {
	path := filepath.Join(begin(t), "fifo")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	defer func() { require.NoError(t, os.Remove(path)) }()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), path)
	_, err = shm.OpenFile(f, shm.OpenOptions{ReadOnly: true})
	require.ErrorIs(t, err, shm.ErrLayout)
}

func TestOpenFileEndsThoughSomebodyHoldsTheAttachedByte(t *testing.T) {
	begin(t)
	a, c := create(t, "a"), open(t, "a")
	f, err := c.File()
	require.NoError(t, err)
	require.NoError(t, c.Close())
	won, err := a.TryExclusive() // and is stopped
	require.NoError(t, err)
	require.True(t, won)
	_, err = shm.OpenFile(f, shm.OpenOptions{})
	require.ErrorIs(t, err, shm.ErrBusy)
	require.NoError(t, a.Downgrade())
	require.NoError(t, a.Detach(t.Context(), always))
}

func TestAwaitNameInADirectoryThatIsMadeAnew(t *testing.T) {
	dir := begin(t)
	sub := filepath.Join(dir, "sub")
	require.NoError(t, os.Mkdir(sub, 0o700))
	defer func() { require.NoError(t, os.RemoveAll(sub)) }()
	done := make(chan error, 1)
	go func() { done <- shm.AwaitName(t.Context(), sub, "a") }()
	time.Sleep(50 * time.Millisecond)
	require.NoError(t, os.Remove(sub))
	require.NoError(t, os.Mkdir(sub, 0o700))
	s, err := shm.Create(t.Context(), shm.CreateOptions{Dir: sub, Name: "a", Params: params()})
	require.NoError(t, err)
	assert.NoError(t, <-done)
	require.NoError(t, s.Detach(t.Context(), always))
}

func TestAHiddenBootIDIsNoOtherBoot(t *testing.T) {
	begin(t)
	a := create(t, "a")
	h := a.Header()
	h.BootID = [16]byte{}
	f, err := os.OpenFile(a.Path(), os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(h.Encode(), 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.True(t, open(t, "a").SameBoot())
}

func TestNoInodesIsNoSpace(t *testing.T) {
	begin(t)
	dir := smallFS(t, "size=1m", "nr_inodes=1")
	_, err := shm.Create(t.Context(), shm.CreateOptions{Dir: dir, Name: "a", Params: params()})
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.ErrorContains(t, err, "inodes")
}

func TestOverflowDoesNotLoseAWatch(t *testing.T) {
	begin(t)
	a, b := create(t, "a"), create(t, "b")
	atA, _ := notify(t, a), notify(t, b)
	shm.HoldHub(func() { // the reader is stopped, as by SIGSTOP
		for range 9000 { // the kernel merges equal neighbours only
			for _, p := range []string{a.Path(), b.Path()} {
				fd, err := unix.Open(p, unix.O_RDWR|unix.O_CLOEXEC, 0)
				require.NoError(t, err)
				require.NoError(t, unix.Close(fd))
			}
		}
		require.NoError(t, os.Remove(a.Path())) // drops the watch of a
	})
	atA.until(shm.NoticeIgnored)
	// All repeats of that are over when this comes as a notice of its own.
	f, err := a.File()
	require.NoError(t, err)
	require.NoError(t, f.Close()) // as a death would
	atA.until(shm.NoticeClosed)
}

func TestRelativeDirectoryAndChdir(t *testing.T) {
	dir := begin(t)
	t.Chdir(dir)
	t.Setenv(shm.EnvDir, ".")
	s, err := shm.Create(t.Context(), shm.CreateOptions{Name: "a", Params: params()})
	require.NoError(t, err)
	t.Chdir("/")
	require.NoError(t, s.Detach(t.Context(), always))
	assert.NoFileExists(t, fileOf(dir, "a"))
}

func init() { children["createkeep"] = childCreateKeep }

func childCreateKeep(c *shmtest.Conn, args []string) error {
	s, err := shm.Create(context.Background(), shm.CreateOptions{Name: args[0], Params: params()})
	if err != nil {
		return err
	}
	if err := s.Claim(5); err != nil {
		return err
	}
	c.Say("created")
	c.Hear()
	return s.Close()
}

func TestDeathOfTheCreatorIsNoticed(t *testing.T) {
	begin(t)
	for range 5 {
		child := shmtest.Start(t, "createkeep", "a")
		child.Expect("created")
		s := open(t, "a")
		box := notify(t, s)
		child.Kill()
		box.until(shm.NoticeClosed, shm.NoticeIgnored)
		require.NoError(t, s.Detach(t.Context(), always))
	}
}
