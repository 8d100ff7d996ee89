//go:build linux

package futex

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/internal/shmtest"
)

// park starts Park in a goroutine and returns the channel of its result.
func park(w *atomic.Uint32, val uint32, until Deadline) <-chan error {
	done := make(chan error, 1)
	go func() { done <- Park(w, val, until) }()
	return done
}

// awaitAsleep waits until so many sleep on a word.
func awaitAsleep(w *atomic.Uint32, n int) {
	for asleep(w) < n {
		runtime.Gosched()
	}
}

// bump changes a word and wakes who sleeps on it.
func bump(w *atomic.Uint32) {
	w.Add(1)
	WakeAll(w)
}

// crowd fills the places of those who have a thread of their own: who parks from now on
// shares one. The returned function lets them go.
func crowd() (leave func()) {
	w := new(atomic.Uint32)
	all := sync.WaitGroup{}
	for range directMax {
		all.Go(func() { _ = Wait(w, 0, Never) })
		lot.direct.Add(1)
	}
	awaitAsleep(w, directMax)
	return func() {
		bump(w)
		all.Wait()
		lot.direct.Add(-directMax)
	}
}

// vacant says what is left of sleepers in this process; nothing is right.
func vacant() error {
	for !lot.empty() {
		runtime.Gosched() // a parker ends a moment after its last sleeper
	}
	if n := lot.direct.Load(); n != 0 {
		return fmt.Errorf("%d sleepers with a thread of their own are counted", n)
	}
	return nil
}

func (l *parkingLot) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parkers) == 0
}

// aloneAndShared runs f for sleepers that have a thread and for some that share one.
func aloneAndShared(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Run("alone", func(t *testing.T) {
		watchdog(t)
		f(t)
		require.NoError(t, vacant())
	})
	t.Run("shared", func(t *testing.T) {
		watchdog(t)
		leave := crowd()
		f(t)
		leave()
		require.NoError(t, vacant())
	})
}

func TestParkReturnsAtOnceWhenTheValueDiffers(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		var w atomic.Uint32
		w.Store(7)
		require.NoError(t, Park(&w, 6, Never))
		require.NoError(t, Park(&w, 8, After(time.Hour)))
		require.NoError(t, Park(&w, 0, 1), "a changed word counts before a deadline")
	})
}

func TestParkEndsByAWake(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		var w atomic.Uint32
		for i, until := range []Deadline{Never, After(time.Hour), math.MaxInt64} {
			done := park(&w, uint32(i), until)
			awaitAsleep(&w, 1)
			bump(&w)
			require.NoError(t, <-done)
		}
	})
}

func TestParkEndsByAWakeThatChangesNothing(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		var w atomic.Uint32
		done := park(&w, 0, Never)
		wakeOne(&w)
		require.NoError(t, <-done, "the kernel names the one that it woke")
	})
}

func TestParkTimesOutAtItsDeadlineAndNotBefore(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		var w atomic.Uint32
		until := After(20 * time.Millisecond)
		require.ErrorIs(t, Park(&w, 0, until), ErrTimeout)
		assert.True(t, until.Passed())
		for _, past := range []Deadline{1, Now(), -1, -1 << 63} {
			require.ErrorIs(t, Park(&w, 0, past), ErrTimeout, "deadline %d", past)
		}
	})
}

func TestParkEndsByAnotherProcess(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		c, path := sharedFile(t)
		done := park(&c.Data.Seq, 0, Never)
		wait := startChild(t, "wake-one", path)
		require.NoError(t, <-done)
		wait()
	})
}

func TestParkedEventsBetweenTwoProcessesLoseNoWakeUp(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		c, path := sharedFile(t)
		wait := startChild(t, "pong", path)
		require.NoError(t, ping(c))
		wait()
	})
}

func TestNewcomersDeadlineShortensTheSharedSleep(t *testing.T) {
	watchdog(t)
	defer crowd()()
	var never, hour, soon atomic.Uint32
	first := park(&never, 0, Never)
	awaitAsleep(&never, 1)
	second := park(&hour, 0, After(time.Hour))
	awaitAsleep(&hour, 1)
	until := After(10 * time.Millisecond)
	require.ErrorIs(t, Park(&soon, 0, until), ErrTimeout)
	assert.True(t, until.Passed())
	for w, done := range map[*atomic.Uint32]<-chan error{&never: first, &hour: second} {
		require.Empty(t, done, "somebody else's deadline")
		bump(w)
		require.NoError(t, <-done)
	}
}

// TestNewcomerWhileTheThreadFallsAsleepIsNotForgotten has two who come at once: one of
// them meets the thread between looking and sleeping.
func TestNewcomerWhileTheThreadFallsAsleepIsNotForgotten(t *testing.T) {
	watchdog(t)
	defer crowd()()
	var base, a, b atomic.Uint32
	first := park(&base, 0, Never)
	awaitAsleep(&base, 1)
	for i := range uint32(3000) {
		atA, atB := park(&a, i, Never), park(&b, i, Never)
		runtime.Gosched()
		bump(&b)
		bump(&a)
		require.NoError(t, <-atA)
		require.NoError(t, <-atB)
	}
	bump(&base)
	require.NoError(t, <-first)
}

func TestSharedSleepersOfOneWordAllWake(t *testing.T) {
	watchdog(t)
	defer crowd()()
	var w, other atomic.Uint32
	bystander := park(&other, 0, Never)
	const sleepers = 200 // more than share one thread
	done := make(chan error, sleepers)
	for range sleepers {
		go func() { done <- Park(&w, 0, Never) }()
	}
	awaitAsleep(&w, sleepers)
	bump(&w)
	for range sleepers {
		require.NoError(t, <-done)
	}
	require.Empty(t, bystander)
	bump(&other)
	require.NoError(t, <-bystander)
}

func TestWakeOfOneSharedSleeperLeavesTheOthersAsleep(t *testing.T) {
	watchdog(t)
	defer crowd()()
	const sleepers = 2*shareMax + 1
	words := newWords(sleepers)
	done := make([]<-chan error, sleepers)
	for i, w := range words {
		done[i] = park(w.W, 0, Never)
	}
	for _, w := range words {
		awaitAsleep(w.W, 1)
	}
	lot.mu.Lock()
	assert.Len(t, lot.parkers, 3)
	lot.mu.Unlock()
	rng, _ := shmtest.Rand(t)
	for at, i := range rng.Perm(sleepers) {
		bump(words[i].W)
		require.NoError(t, <-done[i])
		if at%16 == 0 {
			for _, j := range rng.Perm(sleepers)[:8] {
				require.Equal(t, words[j].W.Load() == 0, asleepSoon(words[j].W))
			}
		}
	}
}

// asleepSoon reports whether somebody sleeps on a word that still has its value: a
// thread that several share is awake for a moment when one of them is woken.
func asleepSoon(w *atomic.Uint32) bool {
	for w.Load() == 0 {
		if asleep(w) > 0 {
			return true
		}
		runtime.Gosched()
	}
	return asleep(w) > 0
}

// TestParkStorm has many sleepers of few words, with and without deadlines, woken at
// random by the protocol of an event: a wake-up that is lost hangs.
func TestParkStorm(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		rng, _ := shmtest.Rand(t)
		const sleepers, each = 150, 40
		words := newWords(sleepers / 3)
		left := atomic.Int32{}
		left.Store(sleepers)
		all := sync.WaitGroup{}
		for i := range sleepers {
			w := words[i%len(words)].W
			own := rand.New(rand.NewPCG(rng.Uint64(), 0))
			all.Go(func() {
				defer left.Add(-1)
				for range each {
					until := Never
					if own.IntN(3) == 0 {
						until = After(time.Duration(own.IntN(2000)) * time.Microsecond)
					}
					val := w.Load()
					if err := Park(w, val, until); err == nil {
						continue
					} else if !errors.Is(err, ErrTimeout) || !until.Passed() {
						t.Errorf("deadline %d: %v", until, err)
					}
				}
			})
		}
		for left.Load() > 0 {
			bump(words[rng.IntN(len(words))].W)
			if rng.IntN(4) == 0 {
				runtime.Gosched()
			}
		}
		all.Wait()
	})
}

func TestParkOnMemoryThatIsGoneIsAnError(t *testing.T) {
	aloneAndShared(t, func(t *testing.T) {
		t.Helper()
		_, path := sharedFile(t)
		v, mem, err := mapFile(path)
		require.NoError(t, err)
		gone := &v.Control.Data.Seq
		require.NoError(t, os.Truncate(path, 0))
		require.ErrorIs(t, Park(gone, 0, After(time.Hour)), unix.EFAULT)
		require.NoError(t, takeAway(mem))
		require.ErrorIs(t, Park(gone, 0, Never), unix.EFAULT)
		require.NoError(t, unix.Munmap(mem))
	})
}

func TestMemoryThatGoesUnderASharedSleepEndsNobodyElses(t *testing.T) {
	for name, take := range map[string]func(path string, mem []byte) error{
		"truncated": func(path string, _ []byte) error { return os.Truncate(path, 0) },
		"unmapped":  func(_ string, mem []byte) error { return takeAway(mem) },
	} {
		t.Run(name, func(t *testing.T) {
			watchdog(t)
			defer crowd()()
			_, path := sharedFile(t)
			v, mem, err := mapFile(path)
			require.NoError(t, err)
			gone := &v.Control.Data.Seq
			good := newWords(3)
			before := park(good[0].W, 0, Never)
			awaitAsleep(good[0].W, 1)
			victim := park(gone, 0, Never)
			awaitAsleep(gone, 1)
			after := park(good[1].W, 0, Never)
			awaitAsleep(good[1].W, 1)
			require.NoError(t, take(path, mem))
			newcomer := park(good[2].W, 0, Never) // the thread looks at all words
			require.ErrorIs(t, <-victim, unix.EFAULT)
			awaitAsleep(good[2].W, 1)
			for i, done := range []<-chan error{before, after, newcomer} {
				awaitAsleep(good[i].W, 1)
				require.Empty(t, done)
				bump(good[i].W)
				require.NoError(t, <-done)
			}
			require.NoError(t, unix.Munmap(mem))
		})
	}
}

func TestThousandParkedSleepersTakeFewThreads(t *testing.T) {
	watchdog(t)
	startChild(t, "park-many", "")()
}

// parkMany is a process of its own, whose threads are those of its sleepers.
func parkMany() error {
	const sleepers, most = 1000, 16
	words := newWords(sleepers)
	done := make(chan error, sleepers)
	for _, w := range words {
		go func() { done <- Park(w.W, 0, Never) }()
	}
	for _, w := range words {
		awaitAsleep(w.W, 1)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	if len(threads) > most {
		return fmt.Errorf("%d sleepers take %d threads, want at most %d",
			sleepers, len(threads), most)
	}
	for _, i := range rand.Perm(sleepers) {
		bump(words[i].W)
		if err := <-done; err != nil {
			return err
		}
	}
	return vacant()
}

func TestWhereTheKernelRefusesToWaitForSeveralWords(t *testing.T) {
	for _, verb := range []string{"refuse-ENOSYS", "refuse-EPERM", "refuse-ENOMEM"} {
		t.Run(verb, func(t *testing.T) {
			watchdog(t)
			startChild(t, verb, "")()
		})
	}
}

// refuse makes the kernel answer futex_waitv of this process with an error, as a seccomp
// profile does that does not know the call.
func refuse(errno unix.Errno) error {
	const setModeFilter, allThreads = 1, 1
	load := uint16(unix.BPF_LD | unix.BPF_W | unix.BPF_ABS)
	equal := uint16(unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K)
	ret := uint16(unix.BPF_RET | unix.BPF_K)
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the call
		{Code: equal, K: sysWaitv, Jt: 0, Jf: 1},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, allThreads,
		uintptr(unsafe.Pointer(&prog)))
	if failed != 0 {
		return fmt.Errorf("install a seccomp filter: %w", failed)
	}
	return nil
}

// sleepAll has more sleepers than get a thread at once, and wakes them.
func sleepAll(n int) error {
	words := newWords(n)
	done := make(chan error, n)
	for _, w := range words {
		go func() { done <- Park(w.W, 0, Never) }()
	}
	for _, w := range words {
		awaitAsleep(w.W, 1)
	}
	for _, w := range words {
		bump(w.W)
	}
	for range n {
		if err := <-done; err != nil {
			return err
		}
	}
	if err := Park(words[0].W, 1, After(time.Millisecond)); !errors.Is(err, ErrTimeout) {
		return fmt.Errorf("want a timeout: %w", err)
	}
	return vacant()
}

// withoutVector is a process that has no futex_waitv.
func withoutVector(errno unix.Errno) error {
	if err := refuse(errno); err != nil {
		return err
	}
	if !Vectored() {
		return fmt.Errorf("unknown yet, but said to be missing")
	}
	if err := sleepAll(30); err != nil {
		return err
	}
	if Vectored() {
		return fmt.Errorf("it is missing, but said to be there")
	}
	vectored.Store(vectorUnknown)
	words := newWords(3)
	if i, err := WaitAny(words, After(time.Millisecond)); !errors.Is(err, ErrTimeout) {
		return fmt.Errorf("want a timeout, got %d: %w", i, err)
	}
	if Vectored() {
		return fmt.Errorf("WaitAny did not notice that it is missing")
	}
	words[1].W.Store(1)
	if i, err := WaitAny(words, Never); i != 1 || err != nil {
		return fmt.Errorf("word 1 differs, got %d: %w", i, err)
	}
	return sleepAll(5)
}

// withoutMemory is a process in which futex_waitv fails for no fault of any word.
func withoutMemory() error {
	if err := refuse(unix.ENOMEM); err != nil {
		return err
	}
	if err := sleepAll(30); err != nil {
		return err
	}
	if !Vectored() {
		return fmt.Errorf("a lack of memory passes, the call is there")
	}
	return nil
}
