//go:build fault

package channel_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
	"shmring/state"
)

// whileSettling runs try while the place of a receiver that was killed is being settled by
// a notice in this process, which lasts some milliseconds. On a loaded machine that may
// outlast the patience of a call that never waits: one success of several is enough.
func whileSettling(t *testing.T, point string, prepare func(*channel.Channel),
	try func(*channel.Channel) error,
) {
	t.Helper()
	var err error
	for range 10 {
		ch := newChannel(t, channel.Options{})
		child := shmtest.Start(t, "adverse-recv-and-wait", "q")
		child.Expect("receiver")
		prepare(ch)
		settling, settled := make(chan struct{}), make(chan struct{})
		at(t, point, 1, func() {
			close(settling)
			time.Sleep(3 * time.Millisecond)
			close(settled)
		})
		child.Kill()
		<-settling
		err = try(ch)
		<-settled
		require.NoError(t, ch.Close())
		if err == nil {
			return
		}
	}
	require.NoError(t, err)
}

// TestARoleThatIsBeingSettledIsNotBusy: whoever settles a place has no role.
func TestARoleThatIsBeingSettledIsNotBusy(t *testing.T) {
	for _, point := range []string{"channel.settle.dead", "channel.settle.intent"} {
		t.Run(point, func(t *testing.T) {
			begin(t)
			whileSettling(t, point, func(*channel.Channel) {}, func(ch *channel.Channel) error {
				_, err := ch.TryReceiver()
				return err
			})
		})
	}
}

func TestRecoverIsNotBusyBesideASettler(t *testing.T) {
	ctx := begin(t)
	whileSettling(t, "channel.settle.begin", func(ch *channel.Channel) {
		ch.Control().Tail.V.Or(1 << 63)
		ch.Control().State.V.Store(uint32(state.NewWord(state.Error)) + 1)
	}, func(ch *channel.Channel) error { return mend(ctx, ch) })
}
