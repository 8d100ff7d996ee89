package guard

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/race"
	"shmring/internal/shmtest"
)

// begin creates a channel with both ends here, for a test.
func begin(t *testing.T, kind channel.Kind) (*channel.Channel, *path) {
	t.Helper()
	shmtest.Watchdog(t, watchdog)
	shmtest.Dir(t)
	ch, err := channel.Create(t.Context(), "guard", options(kind))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ch.Close()) })
	p, err := newPath(ch)
	require.NoError(t, err)
	return ch, p
}

func TestMessagesAllocateNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			_, p := begin(t, kind)
			for _, send := range sends {
				for _, receive := range receives {
					var failed error
					got := testing.AllocsPerRun(10, func() {
						if err := send.run(p); err != nil {
							failed = err
						}
						if err := receive.run(p); err != nil {
							failed = err
						}
					})
					require.NoError(t, failed)
					require.Zero(t, got, "%s, then %s", send.name, receive.name)
				}
			}
		})
	}
}

// calls are the sleeps and the wakes of all participants.
func calls(ch *channel.Channel) (parks, wakes uint64) {
	for _, p := range ch.Participants() {
		parks += p.Parks
		wakes += p.Wakes
	}
	return parks, wakes
}

func TestNobodySleepsOrWakesWhileBothSidesHaveSomethingToDo(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			ch, p := begin(t, kind)
			for _, send := range sends {
				for _, receive := range receives {
					require.NoError(t, send.run(p))
					require.NoError(t, receive.run(p))
				}
			}
			parks, wakes := calls(ch)
			require.Zero(t, parks)
			require.Zero(t, wakes)
		})
	}
}

// A batch of 256 wakes a receiver that sleeps once: it finds all of them.
func TestBatchWakesASleepingReceiverAtMostOnce(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			ch, p := begin(t, kind)
			batch := make([][]byte, lap)
			for i := range batch {
				batch[i] = make([]byte, size)
			}
			for range 20 {
				_, before := calls(ch)
				received := make(chan error, 1)
				go func() { received <- receives[1].run(p) }()
				for !sleeping(ch) {
					shmtest.Yield()
				}
				n, err := p.tx.SendBatch(context.Background(), batch)
				require.NoError(t, err)
				require.Equal(t, lap, n)
				require.NoError(t, <-received)
				_, after := calls(ch)
				require.LessOrEqual(t, after-before, uint64(1), "wakes for %d messages", lap)
			}
		})
	}
}

// sleeping reports whether somebody waits for data.
func sleeping(ch *channel.Channel) bool {
	for _, p := range ch.Participants() {
		if p.Waiting == "data" {
			return true
		}
	}
	return false
}
