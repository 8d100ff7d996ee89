//go:build linux

package channel_test

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/evidence"
	"shmring/internal/shmtest"
)

func init() {
	children["live-send-one"] = childSendOne
	children["live-recv-one"] = childRecvOne
	children["live-idle"] = childIdle
}

// childSendOne sends its argument, waiting for room.
func childSendOne(c *shmtest.Conn, args []string) error {
	_, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	if err := tx.Send(context.Background(), []byte(args[1])); err != nil {
		return err
	}
	c.Say("sent")
	c.Hear()
	return nil
}

// childRecvOne takes the receiver's role, when it can, and one message, which it keeps.
func childRecvOne(c *shmtest.Conn, args []string) error {
	channel.NoSlices()
	ctx := context.Background()
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	c.Say("here")
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	m, err := rx.Recv(ctx)
	if err != nil {
		return err
	}
	c.Say("got %s", m.Bytes())
	c.Hear()
	return nil
}

// awaitWaiters returns once n participants wait for something.
func awaitWaiters(ch *channel.Channel, what string, n int) {
	for {
		found := 0
		for _, p := range ch.Participants() {
			if p.Waiting == what {
				found++
			}
		}
		if found == n {
			return
		}
		shmtest.Yield()
	}
}

// TestWakeThatIsSpentOnADyingProcessIsNotMissedByTheOther kills one of two who wait, right
// after both were woken.
func TestWakeThatIsSpentOnADyingProcessIsNotMissedByTheOther(t *testing.T) {
	channel.NoSlices()
	began := time.Now()
	rng, _ := shmtest.Rand(t)
	rounds := evidence.Size(t, "storms", 16)
	var times []time.Duration
	for i := range rounds {
		delay := rng.IntN(3000)
		storm := stormOfSenders
		if i%2 == 1 {
			storm = stormOfReceivers
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) { times = append(times, storm(t, delay)) })
	}
	t.Logf("from the kill until the other goes on: %v ms", evidence.Quantiles(times))
	evidence.Write(t, began, evidence.Record{
		Name: "storms", Title: "a waiter is killed right after it was woken; another waits as well",
		Guarantees: []string{"G10"},
		Counts:     map[string]int64{"kills": int64(rounds), "hung": 0, "lost": 0},
		Millis:     evidence.Quantiles(times),
		Note:       "two senders that wait for room; a receiver and one that waits for its role",
	})
}

// linger spends some microseconds, so that the kill comes at any instruction of the woken.
func linger(ch *channel.Channel, turns int) {
	for range turns {
		_ = ch.Control().Space.Seq.Load()
	}
}

func stormOfSenders(t *testing.T, delay int) time.Duration {
	t.Helper()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{Slots: 1})
	tx, rx := pair(t, ch)
	require.NoError(t, tx.Send(ctx, []byte("first")))
	require.NoError(t, tx.Close())
	a := shmtest.Start(t, "live-send-one", "q", "a")
	b := shmtest.Start(t, "live-send-one", "q", "b")
	awaitWaiters(ch, "space", 2)
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	m.Release()
	linger(ch, delay)
	clock := since(t, a)
	for string(m.Bytes()) != "b" {
		m, err = rx.Recv(ctx)
		require.NoError(t, err)
		require.Contains(t, []string{"a", "b"}, string(m.Bytes()))
		if string(m.Bytes()) == "a" {
			m.Release()
		}
	}
	on := clock()
	m.Release()
	b.Expect("sent")
	a.Kill() // and collects it: it may be dying still
	b.Kill()
	require.NoError(t, ch.Close())
	_ = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}) // it may have gone with us
	return on
}

func stormOfReceivers(t *testing.T, delay int) time.Duration {
	t.Helper()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	a := shmtest.Start(t, "live-recv-one", "q")
	a.Expect("here")
	awaitWaiters(ch, "data", 1)
	b := shmtest.Start(t, "live-recv-one", "q")
	b.Expect("here")
	require.NoError(t, tx.Send(ctx, []byte("x")))
	linger(ch, delay)
	clock := since(t, a)
	b.Expect("got x")
	on := clock()
	a.Kill()
	b.Kill()
	require.NoError(t, ch.Close())
	_ = channel.Remove(ctx, "q", channel.RemoveOptions{Unread: true}) // it may have gone with us
	return on
}

// childIdle waits in every way there is, and says what that cost it.
func childIdle(c *shmtest.Conn, args []string) error {
	ctx := context.Background()
	seconds, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	var many []channel.Waitable
	var watched *channel.Channel
	for i := range 9 {
		ch, err := channel.Create(ctx, fmt.Sprintf("idle%d", i), channel.Options{Slots: 4})
		if err != nil {
			return err
		}
		rx, err := ch.Receiver(ctx)
		if err != nil {
			return err
		}
		if i < 8 {
			many = append(many, rx)
			continue
		}
		watched = ch
		go func() { _, _ = rx.Recv(ctx) }()
	}
	full, err := channel.Create(ctx, "idlefull", channel.Options{Slots: 1})
	if err != nil {
		return err
	}
	tx, err := full.Sender(ctx)
	if err != nil {
		return err
	}
	if err := tx.Send(ctx, nil); err != nil {
		return err
	}
	go func() { _ = tx.Send(ctx, nil) }()
	go func() { _, _ = channel.Wait(ctx, many...) }()
	awaitWaiters(full, "space", 1)
	awaitWaiters(watched, "data", 1)
	time.Sleep(100 * time.Millisecond) // the scheduler comes to rest
	before, err := usage()
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	after, err := usage()
	if err != nil {
		return err
	}
	for i := range before {
		c.Say("%d", after[i]-before[i])
	}
	c.Hear()
	return nil
}

// usage returns processor time in microseconds, voluntary and other context switches.
func usage() ([3]int64, error) {
	var r unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_SELF, &r)
	spent := time.Duration(r.Utime.Nano() + r.Stime.Nano())
	//nolint:unconvert // they are narrower on other processors
	return [3]int64{spent.Microseconds(), int64(r.Nvcsw), int64(r.Nivcsw)}, err
}

// TestIdleWaitersCostNextToNothing keeps what a process uses that waits for data, for room
// and over many.
func TestIdleWaitersCostNextToNothing(t *testing.T) {
	shmtest.Dir(t)
	began := time.Now()
	seconds := evidence.Size(t, "idleseconds", 2)
	shmtest.Watchdog(t, limit+time.Duration(seconds)*time.Second)
	child := shmtest.Start(t, "live-idle", strconv.Itoa(seconds))
	var got [3]int64
	for i := range got {
		line, ok := child.Hear()
		require.True(t, ok, "%v", child)
		var err error
		got[i], err = strconv.ParseInt(line, 10, 64)
		require.NoError(t, err)
	}
	child.Signal(syscall.SIGKILL)
	child.Kill()
	perMinute := float64(got[0]) / 1000 * 60 / float64(seconds)
	t.Logf("%d s idle: %.2f ms of processor time in 60 s, %d+%d context switches",
		seconds, perMinute, got[1], got[2])
	evidence.Write(t, began, evidence.Record{
		Name: "idle", Title: "what a process costs that waits for data, for room, and over many",
		Guarantees: []string{"G10"},
		Counts: map[string]int64{
			"seconds": int64(seconds), "voluntary_switches": got[1], "other_switches": got[2],
		},
		Millis: map[string]float64{"processor_per_60s": perMinute},
		Note:   "one receiver, one sender, one Wait over eight channels, in one process",
	})
	names := []string{"idlefull"}
	for i := range 9 {
		names = append(names, fmt.Sprintf("idle%d", i))
	}
	for _, name := range names {
		err := channel.Remove(t.Context(), name, channel.RemoveOptions{Unread: true})
		require.NoError(t, err)
	}
}
