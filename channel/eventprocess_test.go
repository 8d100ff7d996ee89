//go:build linux

package channel_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

func init() {
	children["event-signal-until-killed"] = childSignalUntilKilled
	children["event-wait-until-killed"] = childWaitUntilKilled
	children["event-echo"] = childEventEcho
	children["event-leave-behind"] = childEventLeaveBehind
}

// signalValue is value i of a signaller: its bytes all follow from the first sixteen.
func signalValue(who, i uint64) []byte {
	b := make([]byte, 16+i%(channel.MaxEventValue-15))
	binary.LittleEndian.PutUint64(b, who)
	binary.LittleEndian.PutUint64(b[8:], i)
	for k := 16; k < len(b); k++ {
		b[k] = byte(i*7 + who + uint64(k))
	}
	return b
}

// checkSignal checks a value for being whole.
func checkSignal(b []byte) error {
	if len(b) < 16 {
		return fmt.Errorf("value of %d bytes", len(b))
	}
	who, i := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	if want := signalValue(who, i); string(want) != string(b) {
		return fmt.Errorf("torn value %d of %d", i, who)
	}
	return nil
}

func childOpenEvent() (*channel.Event, error) {
	channel.NoSlices()
	return channel.OpenEvent(context.Background(), "e", channel.OpenOptions{})
}

func childSignalUntilKilled(c *shmtest.Conn, args []string) error {
	e, err := childOpenEvent()
	if err != nil {
		return err
	}
	who, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return err
	}
	for i := uint64(0); ; i++ {
		if _, err := e.Signal(signalValue(who, i)); err != nil {
			return err
		}
		if i == 0 {
			c.Say("signalled")
		}
	}
}

func childWaitUntilKilled(c *shmtest.Conn, _ []string) error {
	e, err := childOpenEvent()
	if err != nil {
		return err
	}
	c.Say("waiting")
	_, _, err = e.Wait(context.Background(), 1<<40)
	return err
}

// childEventEcho answers each signal of the parent by one of its own.
func childEventEcho(c *shmtest.Conn, args []string) error {
	e, err := childOpenEvent()
	if err != nil {
		return err
	}
	rounds, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return err
	}
	c.Say("open")
	for i := range rounds {
		_, value, err := e.Wait(context.Background(), 2*i)
		if err != nil {
			return err
		}
		if seq, err := e.Signal(value); err != nil || seq != 2*i+2 {
			return fmt.Errorf("round %d: sequence %d: %w", i, seq, err)
		}
	}
	return e.Close()
}

func childEventLeaveBehind(c *shmtest.Conn, args []string) error {
	e, err := channel.CreateEvent(context.Background(), "e", channel.EventOptions{})
	if err != nil {
		return err
	}
	for _, b := range []byte(args[0]) {
		if _, err := e.Signal([]byte{b}); err != nil {
			return err
		}
	}
	c.Say("left")
	c.Hear()
	return errors.New("told to go on")
}

func TestProcessesSignalEachOther(t *testing.T) {
	channel.NoSlices()
	ctx := begin(t)
	e := newEvent(t, channel.EventOptions{})
	const rounds = 2000
	child := shmtest.Start(t, "event-echo", fmt.Sprint(rounds))
	child.Expect("open")
	for i := range uint64(rounds) {
		want := signalValue(7, i)
		seq, err := e.Signal(want)
		require.NoError(t, err)
		require.Equal(t, 2*i+1, seq)
		seq, value, err := e.Wait(ctx, seq)
		require.NoError(t, err)
		require.Equal(t, 2*i+2, seq)
		require.Equal(t, want, value)
	}
	require.NoError(t, child.Wait())
	require.NoError(t, e.Close())
}

// TestKillOfSignallersAtRandom kills processes that signal as fast as they can, one after
// the other, while others go on and this process looks at every value.
func TestKillOfSignallersAtRandom(t *testing.T) {
	channel.NoSlices()
	begin(t)
	rng, _ := shmtest.Rand(t)
	e := newEvent(t, channel.EventOptions{MaxParticipants: 4})
	kills := 16
	if testing.Short() {
		kills = 6
	}
	start := func(who int) *shmtest.Child {
		child := shmtest.Start(t, "event-signal-until-killed", fmt.Sprint(who))
		child.Expect("signalled")
		return child
	}
	living := []*shmtest.Child{start(1), start(2)}
	last := uint64(0)
	for n := range kills {
		for range 1 + rng.IntN(2000) {
			seq, value, err := e.Load()
			if errors.Is(err, channel.ErrBusy) {
				continue
			}
			require.NoError(t, err)
			require.NoError(t, checkSignal(value))
			require.GreaterOrEqual(t, seq, last)
			last = seq
		}
		i := rng.IntN(len(living))
		living[i].Kill()
		// Whatever it left: the value is whole, and everybody may signal.
		_, value, err := e.Load()
		require.NoError(t, err)
		require.NoError(t, checkSignal(value))
		_, err = e.Signal(signalValue(9, uint64(n)))
		require.NoError(t, err)
		living[i] = start(3 + n) // a place of the dead is free at once
	}
	for _, child := range living {
		child.Kill()
	}
	seq, value, err := e.Load()
	require.NoError(t, err)
	require.NoError(t, checkSignal(value))
	t.Logf("%d signals, %d kills", seq, kills)
	require.NoError(t, e.Close())
}

func TestStoppedSignallerHoldsNobody(t *testing.T) {
	begin(t)
	e := newEvent(t, channel.EventOptions{})
	child := shmtest.Start(t, "event-signal-until-killed", "1")
	child.Expect("signalled")
	for i := range uint64(200) {
		child.Signal(syscall.SIGSTOP)
		before, err := e.Signal(signalValue(2, i))
		require.NoError(t, err)
		_, value, err := e.Load()
		require.NoError(t, err)
		require.NoError(t, checkSignal(value))
		after, err := e.Signal(signalValue(2, i))
		require.NoError(t, err)
		require.Greater(t, after, before)
		child.Signal(syscall.SIGCONT)
	}
	child.Kill()
	require.NoError(t, e.Close())
}

// TestBitOfAKilledWaiterCostsNothingForLong kills a sleeping waiter: signals are without
// a system call again as soon as its death is known.
func TestBitOfAKilledWaiterCostsNothingForLong(t *testing.T) {
	channel.NoSlices()
	begin(t)
	e := newEvent(t, channel.EventOptions{})
	child := shmtest.Start(t, "event-wait-until-killed")
	child.Expect("waiting")
	awaitSleepers(t, e, 1)
	child.Kill()
	for len(e.Participants()) != 1 {
		shmtest.Yield()
	}
	before := e.Participants()[0].Wakes
	for range 100 {
		_, err := e.Signal(nil)
		require.NoError(t, err)
	}
	require.Equal(t, before, e.Participants()[0].Wakes)
	require.NoError(t, e.Close())
}

func TestOpenOrCreateEventByWhatItFinds(t *testing.T) {
	for _, tc := range []struct {
		name     string
		signals  string // by a process that was killed then
		damage   bool
		places   int
		replaced string
		err      error
		seq      uint64
		value    string
	}{
		{name: "left with a value: taken over", signals: "abc", seq: 3, value: "c"},
		{name: "left without: taken over"},
		{name: "other places, a value: refused", signals: "a", places: 8, err: channel.ErrLayout},
		{name: "other places, no value: replaced", places: 8, replaced: "places for 64"},
		{name: "damaged: replaced", signals: "a", damage: true, replaced: "damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := begin(t)
			child := shmtest.Start(t, "event-leave-behind", tc.signals)
			child.Expect("left")
			if tc.damage {
				e := openEvent(t)
				e.Control().Tail.V.Store(1000)
				_, _, err := e.Load()
				require.ErrorIs(t, err, channel.ErrCorrupt)
				require.NoError(t, e.Close())
			}
			child.Kill()
			e, err := channel.OpenOrCreateEvent(ctx, "e",
				channel.EventOptions{MaxParticipants: tc.places})
			require.ErrorIs(t, err, tc.err)
			if tc.err != nil {
				require.ErrorContains(t, err, "signalled 1 times")
				require.NoError(t, channel.Remove(ctx, "e", channel.RemoveOptions{}))
				return
			}
			if tc.replaced == "" {
				require.Empty(t, e.Replaced())
			} else {
				require.Contains(t, e.Replaced(), tc.replaced)
			}
			seq, value, err := e.Load()
			require.NoError(t, err)
			require.Equal(t, tc.seq, seq)
			require.Equal(t, tc.value, string(value))
			again, err := channel.OpenOrCreateEvent(ctx, "e",
				channel.EventOptions{MaxParticipants: tc.places})
			require.NoError(t, err)
			require.Equal(t, e.Instance(), again.Instance())
			_, err = channel.OpenOrCreateEvent(ctx, "e", channel.EventOptions{MaxParticipants: 5})
			require.ErrorIs(t, err, channel.ErrLayout, "somebody is attached")
			require.NoError(t, again.Close())
			require.NoError(t, e.Close())
		})
	}
}

// TestHostileWordsOfASegmentDoNotStopAnEvent writes nonsense over its control words, as a
// peer could: calls give values or errors, and the event can be closed.
func TestHostileWordsOfASegmentDoNotStopAnEvent(t *testing.T) {
	ctx := begin(t)
	rng, _ := shmtest.Rand(t)
	for range 30 {
		e := newEvent(t, channel.EventOptions{})
		c := e.Control()
		for range 50 {
			c.Tail.V.Store(rng.Uint64() >> rng.IntN(64))
			c.Head.V.Store(rng.Uint64())
			c.State.V.Store(uint32(state.NewWord(state.State(rng.IntN(16)))))
			c.Poison.Code.Store(rng.Uint32N(20))
			c.Data.Seq.Store(rng.Uint32())
			c.Data.Bits[rng.IntN(4)].Store(rng.Uint64())
			seq := layout.EventWord(c.Tail.V.Load()).Seq()
			_, _, lerr := e.Load()
			_, _, werr := e.Wait(ctx, seq-1)
			_, serr := e.Signal([]byte("x"))
			for _, err := range []error{lerr, werr, serr} {
				if err != nil {
					require.ErrorIs(t, err, channel.ErrCorrupt)
				}
			}
			e.Participants()
			i, err := channel.Wait(ctx, e.After(seq-1))
			require.NoError(t, err)
			require.Zero(t, i)
		}
		c.Tail.V.Store(0)
		_ = e.Close() // a nonsense state may keep the file
		_ = channel.Remove(ctx, "e", channel.RemoveOptions{Unread: true})
	}
}
