package channel_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

func TestMain(m *testing.M) { shmtest.Main(m, children) }

// children are the functions that tests run in processes of their own.
var children = map[string]shmtest.ChildFunc{}

// limit is when a watchdog takes a test for hanging.
const limit = time.Minute

// begin gives a test its directory of segments, its watchdog and a context.
func begin(t testing.TB) context.Context {
	t.Helper()
	shmtest.Dir(t)
	shmtest.Watchdog(t, limit)
	return t.Context()
}

// newChannel creates a channel that the test closes.
func newChannel(t testing.TB, o channel.Options) *channel.Channel {
	t.Helper()
	ch, err := channel.Create(t.Context(), "q", o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ch.Close() }) // most tests close it themselves
	return ch
}

// pair returns both roles of a channel.
func pair(t testing.TB, ch *channel.Channel) (*channel.Sender, *channel.Receiver) {
	t.Helper()
	tx, err := ch.TrySender()
	require.NoError(t, err)
	rx, err := ch.TryReceiver()
	require.NoError(t, err)
	return tx, rx
}

// mend is Recover for tests that do not look at its report.
func mend(ctx context.Context, ch *channel.Channel) error {
	_, err := ch.Recover(ctx)
	return err
}
