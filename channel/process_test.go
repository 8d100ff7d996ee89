package channel_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
)

func init() {
	children["send-all-and-exit"] = childSendAll
	children["send-some-and-wait"] = childSendSome
	children["reserve-and-wait"] = childReserve
	children["send-until-killed"] = childSendUntilKilled
	children["recv-until-killed"] = childRecvUntilKilled
}

// message makes message i of a sender: its number, its index, and as many more bytes
// as the index says, all checked by verify.
func message(sender, i uint64) []byte {
	size := 16 + int(i*7%40)
	if i%17 == 0 {
		size = 200 + int(i%5)*1000 // through the arena
	}
	b := make([]byte, size)
	binary.LittleEndian.PutUint64(b, sender)
	binary.LittleEndian.PutUint64(b[8:], i)
	for k := 16; k < size; k++ {
		b[k] = byte(i + uint64(k))
	}
	return b
}

// verify checks a message and returns who sent it and its index.
func verify(b []byte) (sender, i uint64, err error) {
	if len(b) < 16 {
		return 0, 0, fmt.Errorf("message of %d bytes", len(b))
	}
	sender, i = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	if want := message(sender, i); string(want) != string(b) {
		return sender, i, fmt.Errorf("torn message %d of sender %d", i, sender)
	}
	return sender, i, nil
}

func childSender(name string) (*channel.Channel, *channel.Sender, error) {
	channel.NoSlices()
	ctx := context.Background()
	ch, err := channel.Open(ctx, name, channel.OpenOptions{})
	if err != nil {
		return nil, nil, err
	}
	tx, err := ch.Sender(ctx)
	return ch, tx, err
}

func childSendAll(_ *shmtest.Conn, args []string) error {
	ctx := context.Background()
	ch, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	for i := range uint64(100) {
		if err := tx.Send(ctx, message(1, i)); err != nil {
			return err
		}
	}
	if err := tx.Send(ctx, []byte("final error")); err != nil {
		return err
	}
	return errors.Join(ch.Seal("that was all"), ch.Close())
}

func TestFinalErrorArrivesAfterSenderSealsClosesAndExits(t *testing.T) {
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	child := shmtest.Start(t, "send-all-and-exit", "q")
	require.NoError(t, child.Wait())
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	for i := range uint64(100) {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		_, got, err := verify(m.Bytes())
		require.NoError(t, err)
		require.Equal(t, i, got)
		m.Release()
	}
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	require.Equal(t, "final error", string(m.Bytes()))
	m.Release()
	_, err = rx.Recv(ctx)
	require.Equal(t, io.EOF, err)
	require.NoError(t, ch.Close())
}

func childSendSome(c *shmtest.Conn, args []string) error {
	_, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	for i := range uint64(3) {
		if err := tx.Send(context.Background(), message(1, i)); err != nil {
			return err
		}
	}
	c.Say("sent 3")
	c.Hear()
	return errors.New("told to go on")
}

func TestReceiverLearnsOfTheDeathOfItsOnlySender(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	child := shmtest.Start(t, "send-some-and-wait", "q")
	child.Expect("sent 3")
	type result struct {
		got []uint64
		err error
	}
	results := make(chan result)
	go func() {
		var r result
		for r.err == nil {
			var m channel.Message
			if m, r.err = rx.Recv(ctx); r.err != nil {
				break
			}
			_, i, err := verify(m.Bytes())
			r.got, r.err = append(r.got, i), err
			m.Release()
		}
		results <- r
	}()
	child.Kill()
	r := <-results
	require.Equal(t, []uint64{0, 1, 2}, r.got, "all its messages first")
	require.ErrorIs(t, r.err, channel.ErrPeerDead)
	var peer *channel.PeerError
	require.ErrorAs(t, r.err, &peer)
	require.EqualValues(t, child.PID(), peer.PID)
	require.Equal(t, layout.RoleSender, peer.Role)

	// It is told once; the next call waits for a successor.
	heir := shmtest.Start(t, "send-all-and-exit", "q")
	require.NoError(t, heir.Wait())
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	m.Release()
	require.Equal(t, 100, drain(t, rx))
	require.NoError(t, ch.Close())
}

func childReserve(c *shmtest.Conn, args []string) error {
	_, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if _, err := tx.Reserve(context.Background(), n); err != nil {
		return err
	}
	c.Say("reserved")
	c.Hear()
	return errors.New("told to go on")
}

func TestSenderKilledInTheMiddleOfALargeMessageLeavesACountedHole(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	ch := newChannel(t, channel.Options{ArenaBytes: 16 << 20})
	rx, err := ch.Receiver(ctx)
	require.NoError(t, err)
	tx, err := ch.Sender(ctx)
	require.NoError(t, err)
	require.NoError(t, tx.Send(ctx, message(2, 0)))
	child := shmtest.Start(t, "reserve-and-wait", "q", strconv.Itoa(4<<20))
	child.Expect("reserved")
	for i := uint64(1); i < 100; i++ {
		require.NoError(t, tx.Send(ctx, message(2, i)))
	}
	m, err := rx.Recv(ctx)
	require.NoError(t, err)
	m.Release()
	_, err = rx.TryRecv()
	require.ErrorIs(t, err, channel.ErrEmpty, "a living owner is never robbed")
	child.Kill()
	for i := uint64(1); i < 100; i++ {
		m, err := rx.Recv(ctx)
		require.NoError(t, err)
		_, got, err := verify(m.Bytes())
		require.NoError(t, err)
		require.Equal(t, i, got)
		m.Release()
	}
	s := ch.Stats()
	require.EqualValues(t, 1, s.Holes)
	require.Zero(t, s.Depth)
	require.NoError(t, ch.Close())
}

// kills returns how often a random kill is repeated.
func kills(t *testing.T) int {
	t.Helper()
	if text := os.Getenv("SHMRING_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	return 20
}

// perVictim is how many messages a victim sends if it is not killed.
const perVictim = 1000

func childSendUntilKilled(c *shmtest.Conn, args []string) error {
	words, err := shmtest.Words(args[1], 1)
	if err != nil {
		return err
	}
	number, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return err
	}
	_, tx, err := childSender(args[0])
	if err != nil {
		return err
	}
	for i := range uint64(perVictim) {
		if err := tx.Send(context.Background(), message(number, i)); err != nil {
			return err
		}
		words[0].Store(i + 1)
	}
	c.Hear() // killed while it waits here
	return errors.New("told to go on")
}

// TestKillOfASenderLosesNothingAcknowledged kills one of two senders at a random point
// of its thousand messages, again and again.
func TestKillOfASenderLosesNothingAcknowledged(t *testing.T) {
	channel.NoSlices()
	begin(t)
	scratch := t.TempDir()
	rng, _ := shmtest.Rand(t)
	holes := uint64(0)
	for round := range kills(t) {
		acks := filepath.Join(scratch, strconv.Itoa(round))
		holes += killSender(t, acks, rng.Uint64N(perVictim+1), rng.IntN(2000))
	}
	t.Logf("%d kills left %d holes", kills(t), holes)
}

// killSender kills a sender when it has acknowledged at least after messages and then
// has had some more turns, and checks what arrives.
func killSender(t *testing.T, acks string, after uint64, turns int) uint64 {
	t.Helper()
	ctx := t.Context()
	words, err := shmtest.Words(acks, 1)
	require.NoError(t, err)
	ch, err := channel.Create(ctx, "q", channel.Options{Slots: 64, ArenaBytes: 64 << 10})
	require.NoError(t, err)
	tx, rx := pair(t, ch)
	child := shmtest.Start(t, "send-until-killed", "q", acks, "1")
	shmtest.Watchdog(t, limit)

	survivor := make(chan error, 1)
	go func() {
		for i := range uint64(perVictim) {
			if err := tx.Send(ctx, message(2, i)); err != nil {
				survivor <- err
				return
			}
		}
		survivor <- nil
	}()
	killed := make(chan struct{})
	go func() {
		for words[0].Load() < after {
			shmtest.Yield()
		}
		for range turns {
			_ = words[0].Load() // a delay of some microseconds, to hit any instruction
		}
		child.Kill()
		close(killed)
	}()
	next := [3]uint64{}
	seal := make(chan error, 1)
	go func() {
		<-killed
		err := <-survivor
		if err == nil {
			err = ch.Seal("both are done")
		}
		seal <- err
	}()
	for {
		m, err := rx.Recv(ctx)
		if err == io.EOF { //nolint:errorlint // returned bare
			break
		}
		if errors.Is(err, channel.ErrPeerDead) {
			continue
		}
		require.NoError(t, err)
		who, i, err := verify(m.Bytes())
		require.NoError(t, err)
		require.Equal(t, next[who], i, "sender %d: order, no loss, no duplicate", who)
		next[who]++
		m.Release()
	}
	require.NoError(t, <-seal)
	acked := words[0].Load()
	require.EqualValues(t, perVictim, next[2])
	require.GreaterOrEqual(t, next[1], acked, "an acknowledged message was lost")
	require.LessOrEqual(t, next[1], acked+1)
	s := ch.Stats()
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{})
	require.NoError(t, err)
	require.NoError(t, ch.Close())
	return s.Holes
}

func childRecvUntilKilled(c *shmtest.Conn, args []string) error {
	channel.NoSlices()
	ctx := context.Background()
	words, err := shmtest.Words(args[1], 1)
	if err != nil {
		return err
	}
	ch, err := channel.Open(ctx, args[0], channel.OpenOptions{})
	if err != nil {
		return err
	}
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	next := words[0].Load()
	for next < perVictim {
		m, err := rx.Recv(ctx)
		if err != nil {
			return err
		}
		_, i, err := verify(m.Bytes())
		if err != nil {
			return err
		}
		if i != next && (i > next || !m.Redelivered()) {
			return fmt.Errorf("message %d (redelivered %v), want %d", i, m.Redelivered(), next)
		}
		next = max(next, i+1)
		words[0].Store(next)
		m.Release()
	}
	c.Hear()
	return errors.New("told to go on")
}

// TestKillOfAReceiverRedeliversAndLosesNothing kills receivers one after the other.
func TestKillOfAReceiverRedeliversAndLosesNothing(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	scratch := t.TempDir()
	rng, _ := shmtest.Rand(t)
	for round := range (kills(t) + 3) / 4 {
		seen := filepath.Join(scratch, strconv.Itoa(round))
		words, err := shmtest.Words(seen, 1)
		require.NoError(t, err)
		ch, err := channel.Create(ctx, "q", channel.Options{Slots: 32, ArenaBytes: 64 << 10})
		require.NoError(t, err)
		tx, err := ch.Sender(ctx)
		require.NoError(t, err)
		shmtest.Watchdog(t, limit)
		sent := make(chan error, 1)
		go func() {
			for i := uint64(0); i < perVictim; {
				err := tx.Send(ctx, message(1, i))
				switch {
				case err == nil:
					i++
				case !errors.Is(err, channel.ErrPeerDead):
					sent <- err
					return
				default:
					shmtest.Yield() // a successor is on its way
				}
			}
			sent <- nil
		}()
		for words[0].Load() < perVictim {
			after := min(words[0].Load()+rng.Uint64N(400), perVictim)
			child := shmtest.Start(t, "recv-until-killed", "q", seen)
			for words[0].Load() < after && child.Running() {
				shmtest.Yield()
			}
			require.True(t, child.Running(), "%v", child)
			child.Kill()
		}
		require.NoError(t, <-sent)
		// What the last one saw but had not published is there once more.
		rx, err := ch.Receiver(ctx)
		require.NoError(t, err)
		require.NoError(t, ch.Seal("done"))
		for m, err := range rx.Messages(ctx) {
			require.NoError(t, err)
			require.True(t, m.Redelivered())
		}
		require.NoError(t, ch.Close())
	}
}
