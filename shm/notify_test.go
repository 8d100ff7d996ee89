//go:build linux

package shm_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/shmtest"
	"shmring/shm"
)

func init() {
	children["claim-file"] = childClaimFile
	children["create-claim"] = childCreateClaim
}

// A mailbox collects notices; whoever gives them never waits.
type mailbox struct {
	mu   sync.Mutex
	got  []shm.Notice
	more chan struct{}
}

func newMailbox() *mailbox { return &mailbox{more: make(chan struct{}, 1)} }

func (m *mailbox) put(n shm.Notice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = append(m.got, n)
	select {
	case m.more <- struct{}{}:
	default:
	}
}

// until waits for a notice of one of these kinds; what comes before is dropped.
func (m *mailbox) until(kinds ...shm.Notice) shm.Notice {
	for {
		m.mu.Lock()
		for len(m.got) > 0 {
			n := m.got[0]
			m.got = m.got[1:]
			for _, kind := range kinds {
				if n == kind {
					m.mu.Unlock()
					return n
				}
			}
		}
		m.mu.Unlock()
		<-m.more
	}
}

func notify(t *testing.T, s *shm.Segment) *mailbox {
	t.Helper()
	box := newMailbox()
	stop, err := s.Notify(box.put)
	require.NoError(t, err)
	t.Cleanup(stop)
	return box
}

func TestKilledProcessIsNoticedAndOnceMore(t *testing.T) {
	begin(t)
	s := create(t, "a")
	box := notify(t, s)
	for range 5 {
		child := shmtest.Start(t, "claim", "a", "5")
		child.Expect("claimed")
		child.Kill()
		box.until(shm.NoticeClosed)
		box.until(shm.NoticeRepeat)
		box.until(shm.NoticeRepeat)
	}
	assert.False(t, alive(t, s, 5))
}

func TestDeathIsFoundByANoticeAlone(t *testing.T) {
	begin(t)
	s := create(t, "a")
	for range 20 {
		child := shmtest.Start(t, "claim", "a", "5")
		child.Expect("claimed")
		dead := make(chan struct{})
		var once sync.Once
		stop, err := s.Notify(func(shm.Notice) {
			if is, err := s.Alive(5); err == nil && !is {
				once.Do(func() { close(dead) })
			}
		})
		require.NoError(t, err)
		child.Kill()
		<-dead
		stop()
	}
}

func TestEveryAttachmentOfAFileIsNotifiedUntilItStops(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	other := create(t, "other")
	atA := notify(t, a)
	atB := newMailbox()
	stopB, err := b.Notify(atB.put)
	require.NoError(t, err)
	atOther := notify(t, other)
	require.NoError(t, open(t, "a").Close())
	atA.until(shm.NoticeClosed)
	atB.until(shm.NoticeClosed)
	stopB()
	stopB()
	atB.mu.Lock()
	atB.got = nil
	atB.mu.Unlock()
	require.NoError(t, b.Close())
	atA.until(shm.NoticeClosed)
	atB.mu.Lock()
	assert.Empty(t, atB.got, "nothing after stop")
	atB.mu.Unlock()
	atOther.mu.Lock()
	assert.Empty(t, atOther.got, "nothing of another file")
	atOther.mu.Unlock()
}

func TestStopWaitsForARunningCall(t *testing.T) {
	begin(t)
	s := create(t, "a")
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	over := false // ordered by stop
	stop, err := s.Notify(func(shm.Notice) {
		once.Do(func() {
			close(entered)
			<-leave
			over = true
		})
	})
	require.NoError(t, err)
	require.NoError(t, open(t, "a").Close())
	<-entered
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	for range 100 {
		select {
		case <-stopped:
			t.Fatal("stop did not wait")
		default:
			shmtest.Yield()
		}
	}
	close(leave)
	<-stopped
	assert.True(t, over)
}

func TestStopAfterCloseIsFine(t *testing.T) {
	begin(t)
	s := create(t, "a")
	box := newMailbox()
	stop, err := s.Notify(box.put)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	stop()
}

func TestLastOfABurstIsNeverDropped(t *testing.T) {
	begin(t)
	s := create(t, "a")
	var mu sync.Mutex
	written, seen := 0, make(chan int, 1000)
	stop, err := s.Notify(func(n shm.Notice) {
		if n == shm.NoticeRepeat {
			return // the burst alone must do
		}
		mu.Lock()
		defer mu.Unlock()
		select {
		case seen <- written:
		default:
		}
	})
	require.NoError(t, err)
	defer stop()
	const burst = 300
	for i := range burst {
		f, err := os.OpenFile(s.Path(), os.O_RDWR, 0)
		require.NoError(t, err)
		mu.Lock()
		written = i + 1
		mu.Unlock()
		require.NoError(t, f.Close())
	}
	calls := 1
	for <-seen < burst {
		calls++
	}
	t.Logf("%d closes, %d calls", burst, calls)
}

func TestUnlinkedAndReplacedFilesAreNoticed(t *testing.T) {
	dir := begin(t)
	for name, act := range map[string]func(path string) error{
		"unlink": os.Remove,
		"replace": func(path string) error {
			if err := os.WriteFile(fileOf(dir, "new"), nil, 0o600); err != nil {
				return err
			}
			return os.Rename(fileOf(dir, "new"), path)
		},
		"chmod": func(path string) error { return os.Chmod(path, 0o640) },
	} {
		s := create(t, "a")
		box := notify(t, s)
		require.NoError(t, act(s.Path()), name)
		// An unlink also makes the kernel drop the watch of a file that was created
		// without a name; the two then arrive as one, the stronger.
		box.until(shm.NoticeAttrib, shm.NoticeIgnored)
		_ = os.Remove(s.Path()) // what replaced it, or itself
	}
}

// awaitDeath waits until the holder of a place is dead, looking only when noticed.
func (m *mailbox) awaitDeath(t *testing.T, s *shm.Segment, place int) {
	t.Helper()
	for alive(t, s, place) {
		m.until(shm.NoticeClosed, shm.NoticeRepeat, shm.NoticeAttrib, shm.NoticeIgnored)
	}
}

// TestDeathIsNoticedAfterTheFileWasUnlinked kills one after the other those who opened
// a file by its name. With the last of them the kernel drops the watch of whoever has the
// file open from before it had a name.
func TestDeathIsNoticedAfterTheFileWasUnlinked(t *testing.T) {
	begin(t)
	for _, watched := range []string{"by its creator", "by somebody who attached"} {
		s := create(t, "a")
		at := s
		if watched != "by its creator" {
			at = open(t, "a")
		}
		box := notify(t, at)
		var opened []*shmtest.Child
		for _, place := range []string{"5", "6"} {
			child := shmtest.Start(t, "claim", "a", place)
			child.Expect("claimed")
			opened = append(opened, child)
		}
		require.NoError(t, os.Remove(s.Path()))
		box.until(shm.NoticeAttrib, shm.NoticeIgnored)
		handed := startClaimFile(t, s, "7")
		for i, child := range append(opened, handed) {
			child.Kill()
			box.awaitDeath(t, at, 5+i)
		}
	}
}

func TestDeathOfTheCreatorIsNoticedAfterTheFileWasUnlinked(t *testing.T) {
	dir := begin(t)
	creator := shmtest.Start(t, "create-claim", "a", "5")
	creator.Expect("claimed")
	s := open(t, "a")
	box := notify(t, s)
	other := shmtest.Start(t, "claim", "a", "6")
	other.Expect("claimed")
	require.NoError(t, os.Remove(fileOf(dir, "a")))
	creator.Kill()
	box.awaitDeath(t, s, 5)
	other.Kill()
	box.awaitDeath(t, s, 6)
}

func TestDeathInANamelessSegmentIsNoticed(t *testing.T) {
	begin(t)
	s, err := shm.Create(t.Context(), shm.CreateOptions{Params: params()})
	require.NoError(t, err)
	closeAtEnd(t, s)
	box := notify(t, s)
	for range 5 {
		child := startClaimFile(t, s, "7")
		child.Kill()
		box.awaitDeath(t, s, 7)
	}
}

// startClaimFile hands the segment's file to another process, which claims a place.
func startClaimFile(t *testing.T, s *shm.Segment, place string) *shmtest.Child {
	t.Helper()
	f, err := s.File()
	require.NoError(t, err)
	child := shmtest.StartFiles(t, "claim-file", []*os.File{f}, place)
	require.NoError(t, f.Close())
	child.Expect("claimed")
	return child
}

func childClaimFile(c *shmtest.Conn, args []string) error {
	s, err := shm.OpenFile(os.NewFile(3, "handed"), shm.OpenOptions{})
	if err != nil {
		return err
	}
	return holdPlace(c, s, args[0])
}

func childCreateClaim(c *shmtest.Conn, args []string) error {
	s, err := shm.Create(context.Background(), shm.CreateOptions{Name: args[0], Params: params()})
	if err != nil {
		return err
	}
	return holdPlace(c, s, args[1])
}

// drop makes the kernel forget a watch.
func drop(fd int, wd int32) { _, _ = unix.InotifyRmWatch(fd, uint32(wd)) }

func TestWatchThatTheKernelDroppedIsSetAnew(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	atA, atB := notify(t, a), notify(t, b)
	require.Equal(t, 1, shm.DropWatches(drop))
	atA.until(shm.NoticeIgnored)
	atB.until(shm.NoticeIgnored)
	require.NoError(t, open(t, "a").Close())
	atA.until(shm.NoticeClosed)
	atB.until(shm.NoticeClosed)
}

func TestSubscriptionBesideADroppedWatchKeepsBoth(t *testing.T) {
	begin(t)
	a := create(t, "a")
	b := open(t, "a")
	atA := notify(t, a)
	for range 50 {
		shm.DropWatches(drop)
		atB := newMailbox() // may find the file without a watch, or with the old one
		stop, err := b.Notify(atB.put)
		require.NoError(t, err)
		atA.until(shm.NoticeIgnored)
		f, err := os.OpenFile(a.Path(), os.O_RDWR, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		atA.until(shm.NoticeClosed, shm.NoticeIgnored)
		atB.until(shm.NoticeClosed, shm.NoticeIgnored)
		stop()
	}
}

func TestCloseBesideNotifyAndADroppedWatchDoesNotHang(t *testing.T) {
	begin(t)
	a := create(t, "a")
	notify(t, a)
	for range 200 {
		s := open(t, "a")
		stops, all := make(chan func(), 4), sync.WaitGroup{}
		for range 2 {
			all.Go(func() {
				if stop, err := s.Notify(func(shm.Notice) {}); err == nil {
					stops <- stop
				}
			})
		}
		all.Go(func() { shm.DropWatches(drop) })
		all.Go(func() { assert.NoError(t, s.Close()) })
		all.Wait()
		close(stops)
		for stop := range stops {
			stop()
		}
	}
}

func TestDroppedWatchDoesNotWaitForACloseThatWaits(t *testing.T) {
	begin(t)
	s := create(t, "a")
	box := notify(t, s)
	letGo := s.HoldLife()
	shm.DropWatches(drop)
	box.until(shm.NoticeIgnored) // the close may wait for who waits for the notifier
	letGo()
}
