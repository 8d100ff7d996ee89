//go:build linux

package channel_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

// A mourning is one death and what it was for the survivor: when it was told by name, and
// when it got on.
type mourning struct {
	told, on time.Duration // since the kill; negative: nothing to be told
}

// runningKind is the death of a peer beside a survivor that does not wait yet: where no other
// thread of it is in the poller, Go's scheduler serves that 10 ms later.
const runningKind = "batch_in_ring"

// deathKinds are the peers that die. Each starts a victim, brings the survivor to wait for
// it, kills it, and looks at what the survivor gets.
var deathKinds = map[string]func(t *testing.T, ch *channel.Channel) mourning{
	"idle_sender": dieIdle,
	"filling":     dieFilling,
	"receiver":    dieHolding,
	"control":     dieControlling,
	runningKind:   dieAfterData,
}

// since kills a child and returns a clock that began just before.
func since(t *testing.T, c *shmtest.Child) func() time.Duration {
	t.Helper()
	began := time.Now()
	c.Signal(syscall.SIGKILL)
	return func() time.Duration { return time.Since(began) }
}

// requireNamed checks that an error is about the death of that child.
func requireNamed(t *testing.T, err error, c *shmtest.Child, role layout.Role) {
	t.Helper()
	peer, ok := errors.AsType[*channel.PeerError](err)
	require.True(t, ok, "%v", err)
	require.EqualValues(t, c.PID(), peer.PID)
	require.Equal(t, role, peer.Role)
	require.NotEmpty(t, peer.Comm)
}

// dieIdle: the only sender has nothing to say; the receiver waits for data.
func dieIdle(t *testing.T, ch *channel.Channel) mourning {
	t.Helper()
	rx, err := ch.Receiver(t.Context())
	require.NoError(t, err)
	child := shmtest.Start(t, "send-some-and-wait", "q")
	child.Expect("sent 3")
	require.Equal(t, 3, drain(t, rx))
	got := make(chan error, 1)
	go func() { _, err := rx.Recv(t.Context()); got <- err }()
	awaitWaiting(t, ch, "data")
	clock := since(t, child)
	err = <-got
	m := mourning{told: clock()}
	m.on = m.told
	requireNamed(t, err, child, layout.RoleSender)
	return m
}

// dieAfterData is dieIdle with messages in the ring, which come first.
func dieAfterData(t *testing.T, ch *channel.Channel) mourning {
	t.Helper()
	child := shmtest.Start(t, "send-some-and-wait", "q")
	child.Expect("sent 3")
	rx, err := ch.Receiver(t.Context())
	require.NoError(t, err)
	clock := since(t, child)
	for range 3 {
		m, err := rx.Recv(t.Context())
		require.NoError(t, err)
		m.Release()
	}
	_, err = rx.Recv(t.Context())
	m := mourning{told: clock()}
	m.on = m.told
	requireNamed(t, err, child, layout.RoleSender)
	return m
}

// dieFilling: a sender is in the middle of a message, and another's lies behind it.
func dieFilling(t *testing.T, ch *channel.Channel) mourning {
	t.Helper()
	tx, rx := pair(t, ch)
	child := shmtest.Start(t, "reserve-and-wait", "q", "300")
	child.Expect("reserved")
	require.NoError(t, tx.Send(t.Context(), []byte("behind")))
	got := make(chan error, 1)
	go func() {
		m, err := rx.Recv(t.Context())
		m.Release()
		got <- err
	}()
	awaitWaiting(t, ch, "hole")
	clock := since(t, child)
	require.NoError(t, <-got)
	m := mourning{told: -1, on: clock()}
	require.NoError(t, tx.Close())
	// With no other sender it is told once, by name.
	_, err := rx.Recv(t.Context())
	requireNamed(t, err, child, layout.RoleSender)
	return m
}

// dieHolding: the receiver holds messages, and a sender waits for room.
func dieHolding(t *testing.T, ch *channel.Channel) mourning {
	t.Helper()
	tx, err := ch.Sender(t.Context())
	require.NoError(t, err)
	child := shmtest.Start(t, "live-hold-messages", "q")
	require.NoError(t, tx.Send(t.Context(), []byte("a")))
	require.NoError(t, tx.Send(t.Context(), []byte("b")))
	child.Expect("holding")
	for err == nil {
		err = tx.TrySend(nil)
	}
	require.ErrorIs(t, err, channel.ErrFull)
	got := make(chan error, 1)
	go func() { got <- tx.Send(t.Context(), nil) }()
	awaitWaiting(t, ch, "space")
	clock := since(t, child)
	err = <-got
	m := mourning{told: clock()}
	requireNamed(t, err, child, layout.RoleReceiver)
	rx, err := ch.Receiver(t.Context())
	require.NoError(t, err)
	first, err := rx.Recv(t.Context())
	require.NoError(t, err)
	require.True(t, first.Redelivered())
	m.on = clock()
	first.Release()
	return m
}

// dieControlling: a process has the control lock, and another one waits for it to seal.
func dieControlling(t *testing.T, ch *channel.Channel) mourning {
	t.Helper()
	child := shmtest.Start(t, "live-control", "q")
	child.Expect("locked")
	got := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := make(chan struct{})
	go func() {
		close(started)
		got <- ch.Drain(ctx, nil)
	}()
	<-started
	clock := since(t, child)
	require.NoError(t, <-got)
	m := mourning{told: -1, on: clock()}
	require.Equal(t, state.Draining, ch.State())
	return m
}

// TestDeathIsToldByNameAndTheOthersGoOn kills peers of each kind, with death notices and
// without, and keeps how long the survivor waited.
func TestDeathIsToldByNameAndTheOthersGoOn(t *testing.T) {
	began := time.Now()
	millis := make(map[string]float64)
	total := 0
	for _, way := range []string{"inotify", "slices"} {
		var told, on, running []time.Duration
		kinds := slices.Sorted(maps.Keys(deathKinds))
		for i := range evidence.Size(t, "deaths", 20) {
			kind := kinds[i%len(kinds)]
			var m mourning
			ok := t.Run(way+"/"+kind, func(t *testing.T) {
				ctx := begin(t)
				ch := newChannel(t, channel.Options{Slots: 8, ArenaBytes: 64 << 10})
				if way == "slices" {
					ch.Deafen()
				}
				m = deathKinds[kind](t, ch)
				require.NoError(t, ch.Close())
				_ = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}) // may be gone
			})
			if !ok {
				return
			}
			t.Logf("%s/%s: told after %v, on after %v", way, kind, m.told, m.on)
			total++
			if kind == runningKind {
				running = append(running, m.told)
				continue
			}
			on = append(on, m.on)
			if m.told >= 0 {
				told = append(told, m.told)
			}
		}
		for name, times := range map[string][]time.Duration{
			"told": told, "on": on, "running": running,
		} {
			for q, ms := range evidence.Quantiles(times) {
				millis[strings.Join([]string{way, name, q}, "_")] = ms
			}
		}
	}
	t.Logf("milliseconds from kill: %v", millis)
	evidence.Write(t, began, evidence.Record{
		Name:       "death",
		Title:      "time from SIGKILL until it is told by name, and until the survivor goes on",
		Guarantees: []string{"G7", "G8", "G10"},
		Counts:     map[string]int64{"kills": int64(total), "unnamed": 0, "hung": 0},
		Millis:     millis,
		Note: "idle and filling senders, holding receivers, holders of the control lock; " +
			"with death notices, and with slices of 100 ms; running: the survivor did not wait " +
			"yet, so that Go's scheduler hears of the notice up to 10 ms later",
	})
}
