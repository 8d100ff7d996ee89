//go:build linux

package futex

import (
	"math"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// wakeOne wakes exactly one sleeper, and waits for it to sleep before.
func wakeOne(w *atomic.Uint32) {
	for Wake(w, 1) == 0 {
		runtime.Gosched()
	}
}

// asleep counts the sleepers of w without waking any: the kernel says how many it would
// move to another word, which is w again.
func asleep(w *atomic.Uint32) int {
	const opRequeue = 3
	addr := uintptr(unsafe.Pointer(w))
	n, _, errno := unix.Syscall6(unix.SYS_FUTEX, addr, opRequeue, 0, math.MaxInt32, addr, 0)
	if errno != 0 {
		panic(errno)
	}
	return int(n)
}

// sleep starts Wait in a goroutine and returns the channel of its result.
func sleep(w *atomic.Uint32, val uint32, until Deadline) <-chan error {
	done := make(chan error, 1)
	go func() { done <- Wait(w, val, until) }()
	return done
}

func TestWaitReturnsAtOnceWhenTheValueDiffers(t *testing.T) {
	var w atomic.Uint32
	w.Store(7)
	require.NoError(t, Wait(&w, 6, Never))
	require.NoError(t, Wait(&w, 8, After(time.Hour)))
	require.NoError(t, Wait(&w, 0, 1), "a changed word counts before a deadline")
}

func TestWaitEndsByWake(t *testing.T) {
	watchdog(t)
	var w atomic.Uint32
	for _, until := range []Deadline{Never, After(time.Hour), math.MaxInt64} {
		done := sleep(&w, 0, until)
		wakeOne(&w)
		require.NoError(t, <-done)
	}
}

func TestWaitTimesOutAtItsDeadlineAndNotBefore(t *testing.T) {
	var w atomic.Uint32
	until := After(20 * time.Millisecond)
	require.ErrorIs(t, Wait(&w, 0, until), ErrTimeout)
	assert.True(t, until.Passed())
	for _, past := range []Deadline{1, Now(), -1, -1 << 63} {
		require.ErrorIs(t, Wait(&w, 0, past), ErrTimeout, "deadline %d", past)
	}
}

func TestWaitKeepsItsAbsoluteDeadlineOverManySleeps(t *testing.T) {
	watchdog(t)
	var w atomic.Uint32
	until := After(50 * time.Millisecond)
	rounds := 0
	for {
		done := sleep(&w, 0, until)
		Wake(&w, 1)
		if err := <-done; err != nil {
			require.ErrorIs(t, err, ErrTimeout)
			break
		}
		rounds++
	}
	assert.True(t, until.Passed(), "after %d wake-ups", rounds)
}

func TestWakeWakesNoMoreThanAsked(t *testing.T) {
	watchdog(t)
	var w atomic.Uint32
	const sleepers = 5
	done := make(chan error, sleepers)
	for range sleepers {
		go func() { done <- Wait(&w, 0, Never) }()
	}
	assert.Zero(t, Wake(&w, 0))
	assert.Zero(t, Wake(&w, -1))
	for left := sleepers; left > 0; {
		n := Wake(&w, 2)
		require.LessOrEqual(t, n, 2)
		for range n {
			require.NoError(t, <-done)
		}
		left -= n
		runtime.Gosched()
	}
	assert.Zero(t, WakeAll(&w), "nobody is left")
}

func TestWakeAllWakesAll(t *testing.T) {
	watchdog(t)
	var w atomic.Uint32
	const sleepers = 8
	done := make(chan error, sleepers)
	for range sleepers {
		go func() { done <- Wait(&w, 0, Never) }()
	}
	w.Store(1) // whoever comes later does not sleep at all
	WakeAll(&w)
	for range sleepers {
		require.NoError(t, <-done)
	}
}

func TestWakeIsSeenByAnotherProcess(t *testing.T) {
	watchdog(t)
	c, path := sharedFile(t)
	wait := startChild(t, "wait", path)
	wakeOne(&c.Data.Seq) // a private futex would look for it here in vain for ever
	wait()
}

func TestWaitIsEndedByAnotherProcess(t *testing.T) {
	watchdog(t)
	c, path := sharedFile(t)
	done := sleep(&c.Data.Seq, 0, Never)
	wait := startChild(t, "wake-one", path)
	require.NoError(t, <-done)
	wait()
}

func TestEventsBetweenTwoProcessesLoseNoWakeUp(t *testing.T) {
	watchdog(t)
	c, path := sharedFile(t)
	wait := startChild(t, "pong", path)
	require.NoError(t, ping(c))
	wait()
}

func TestWaitMeetsThroughTwoMappingsOfOneFile(t *testing.T) {
	watchdog(t)
	c, path := sharedFile(t)
	v, mem, err := mapFile(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(mem)) }()
	done := sleep(&c.Data.Seq, 0, Never)
	wakeOne(&v.Control.Data.Seq)
	require.NoError(t, <-done)
}

func TestWaitGoesOnSleepingAfterSignals(t *testing.T) {
	watchdog(t)
	got := make(chan os.Signal, 64)
	signal.Notify(got, unix.SIGUSR1)
	defer signal.Stop(got)
	for name, until := range map[string]Deadline{"deadline": After(time.Hour), "never": Never} {
		for _, any := range []bool{false, true} {
			signalSleeper(t, got, until, any)
		}
		t.Log(name)
	}
}

// signalSleeper interrupts a sleeping thread often and then ends its sleep.
func signalSleeper(t *testing.T, got <-chan os.Signal, until Deadline, any bool) {
	t.Helper()
	var w, other atomic.Uint32
	tid := make(chan int, 1)
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		tid <- unix.Gettid()
		if any {
			_, err := WaitAny([]Word{{&other, 0}, {&w, 0}}, until)
			done <- err
			return
		}
		done <- Wait(&w, 0, until)
	}()
	thread := <-tid
	for range 30 {
		require.NoError(t, unix.Tgkill(os.Getpid(), thread, unix.SIGUSR1))
		<-got
	}
	select {
	case err := <-done:
		t.Fatalf("a signal ended the wait: %v", err)
	default:
	}
	wakeOne(&w)
	require.NoError(t, <-done)
}

func TestWaitOnMemoryThatIsGoneIsAnError(t *testing.T) {
	c, path := sharedFile(t)
	v, mem, err := mapFile(path)
	require.NoError(t, err)
	gone := &v.Control.Data.Seq
	words := []*atomic.Uint32{gone, &c.Data.Seq} // taking an address looks at the struct
	require.NoError(t, os.Truncate(path, 0))
	for _, w := range words {
		err := Wait(w, 0, After(time.Hour))
		require.ErrorIs(t, err, unix.EFAULT)
		require.NotErrorIs(t, err, ErrTimeout)
		assert.Zero(t, WakeAll(w))
	}
	require.NoError(t, takeAway(mem))
	require.ErrorIs(t, Wait(gone, 0, After(time.Hour)), unix.EFAULT)
	assert.Zero(t, WakeAll(gone))
	require.NoError(t, unix.Munmap(mem))
}
