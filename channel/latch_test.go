package channel_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

// latches are one of each kind.
func latches() map[string]func() *channel.Latch {
	return map[string]func() *channel.Latch{
		"biased": func() *channel.Latch {
			l := new(channel.Latch)
			l.MakeBiased()
			return l
		},
		"zero": func() *channel.Latch { return new(channel.Latch) },
	}
}

// Theorem: no two have a latch at once, and whoever waits for it gets it, also while its bias
// is being revoked. A store that an owner's processor still keeps back when the revoker
// looks is what could break that: then somebody waits for ever.
func TestLatchIsOneGoroutinesAtATime(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	channel.ImpatientLatches(t)
	const rounds, goroutines, each = 5000, 3, 50
	for name, make := range latches() {
		t.Run(name, func(t *testing.T) {
			for range rounds {
				l := make()
				inside := 0
				var all sync.WaitGroup
				for range goroutines {
					all.Go(func() {
						for range each {
							l.Lock()
							inside++
							l.Unlock()
						}
					})
				}
				all.Wait()
				require.Equal(t, goroutines*each, inside)
			}
		})
	}
}

// The owner comes and goes all the time; the others come once and have to revoke.
func TestRevokerOfALatchIsToldByAnOwnerInAHurry(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	channel.ImpatientLatches(t)
	const rounds = 100000
	for name, make := range latches() {
		t.Run(name, func(t *testing.T) {
			type guarded struct {
				*channel.Latch
				turns int
			}
			var current atomic.Pointer[guarded]
			current.Store(&guarded{Latch: make()})
			var busy sync.WaitGroup
			busy.Go(func() {
				for l := current.Load(); l != nil; l = current.Load() {
					l.Lock()
					l.turns++
					l.Unlock()
				}
			})
			for range rounds {
				l := current.Load()
				l.Lock() // revokes, if the owner is in
				l.turns++
				l.Unlock()
				current.Store(&guarded{Latch: make()})
			}
			current.Store(nil)
			busy.Wait()
		})
	}
}

// One holds it for long, so that the next gives up looking, and revokes.
func TestLatchIsHandedToWhoRevokesItsBias(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	for name, make := range latches() {
		t.Run(name, func(t *testing.T) {
			l := make()
			l.Lock()
			var waiters sync.WaitGroup
			order := 0
			for range 4 {
				waiters.Go(func() {
					l.Lock()
					order++
					l.Unlock()
				})
			}
			for range 1000 {
				runtime.Gosched()
			}
			require.Zero(t, order)
			l.Unlock()
			waiters.Wait()
			l.Lock()
			require.Equal(t, 4, order)
			l.Unlock()
		})
	}
}

// Whoever uses it all the time does not keep the others from it.
func TestLatchReachesWhoWaitsBesideABusyOne(t *testing.T) {
	shmtest.Watchdog(t, time.Minute)
	for name, make := range latches() {
		t.Run(name, func(t *testing.T) {
			l := make()
			stop, busy := false, sync.WaitGroup{}
			busy.Go(func() {
				for {
					l.Lock()
					over := stop
					l.Unlock()
					if over {
						return
					}
				}
			})
			for range 100 {
				l.Lock()
				runtime.Gosched()
				l.Unlock()
			}
			l.Lock()
			stop = true
			l.Unlock()
			busy.Wait()
		})
	}
}

func BenchmarkLatch(b *testing.B) {
	for name, make := range latches() {
		b.Run(name, func(b *testing.B) {
			l, turns := make(), 0
			for b.Loop() {
				l.Lock()
				turns++
				l.Unlock()
			}
		})
	}
}
