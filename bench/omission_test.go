package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/measure"
	"shmring/internal/shmtest"
)

// A receiver stalls, the ring fills, and the sender waits: then most messages are not sent
// before the stall is over, and are taken at once when they are. Their times have to tell of
// it all the same.
func TestStallShowsInEveryMessageThatWasDueMeanwhile(t *testing.T) {
	shmtest.Dir(t)
	shmtest.Watchdog(t, watchdog)
	ch, err := channel.Create(t.Context(), "stall", channel.Options{
		Kind: channel.SPSC, Slots: 16,
	})
	require.NoError(t, err)
	tx, err := ch.TrySender()
	require.NoError(t, err)
	rx, err := ch.TryReceiver()
	require.NoError(t, err)

	const n, spare = 200, 20 * time.Millisecond
	f := flow{senders: 1, streams: 1, size: smallSize, every: 100 * time.Microsecond}
	in := newInlet(rx, f, 0, 0, 1)
	plan := f.planOf(0, measure.Now())
	in.plans[0] = plan
	out := newOutlet([]*channel.Sender{tx}, 0, f.size, 1)
	sent := make(chan error, 1)
	go func() { sent <- out.send(stretch{to: n, plan: plan}) }()
	stalled := plan.Due(n) + int64(spare)
	measure.SleepUntil(stalled)
	require.NoError(t, in.receive(n))
	require.NoError(t, <-sent)
	require.NoError(t, ch.Close())

	times := in.due.Percentiles()
	require.NotEmpty(t, times)
	assert.EqualValues(t, n, in.due.Count())
	for _, p := range times { // three digits are kept
		assert.GreaterOrEqual(t, p.NS, int64(spare)*99/100, "%s", p.Name)
	}
}
