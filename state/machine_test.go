package state_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/futex"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/state"
)

func TestMoveWritesRecordThenSealsThenChangesTheWord(t *testing.T) {
	m, c := active()
	from := m.Load()
	sealed := false
	w, err := m.Move(from, state.Change{
		To: state.Draining, Reason: "enough", Between: func() error {
			sealed = true
			assert.Equal(t, from, m.Load(), "the seal comes before the word")
			assert.NotZero(t, c.Transitions[1].Tag.Load(), "and after the record")
			return nil
		},
	})
	require.NoError(t, err)
	assert.True(t, sealed)
	assert.Equal(t, "DRAINING epoch 1", w.String())
	assert.Equal(t, w, m.Load())
	assert.Zero(t, c.StateEvent.Seq.Load(), "a move wakes nobody")
}

func TestMoveThatIsIllegalChangesNothing(t *testing.T) {
	m, c := active()
	from := m.Load()
	w, err := m.Move(from, state.Change{To: state.Closed, Between: func() error {
		t.Error("nothing is sealed")
		return nil
	}})
	require.ErrorIs(t, err, state.ErrIllegal)
	assert.Equal(t, from, w)
	assert.Equal(t, from, m.Load())
	for i := range c.Transitions {
		assert.Zero(t, c.Transitions[i].Tag.Load())
	}
	_, err = m.Move(from, state.Change{To: state.Draining, Forced: true})
	require.ErrorIs(t, err, state.ErrIllegal, "only CLOSING can be forced")
}

func TestMoveFromAnotherWordSaysSoAndGivesTheWord(t *testing.T) {
	m, _ := active()
	old := m.Load()
	now := move(t, m, state.Draining, "")
	w, err := m.Move(old, state.Change{To: state.Error, Between: func() error {
		t.Error("nothing is sealed")
		return nil
	}})
	require.ErrorIs(t, err, state.ErrChanged)
	assert.Equal(t, now, w)
	assert.Equal(t, now, m.Load())
	assert.Equal(t, state.Draining, m.Last().Word.State(), "no record was written")
}

func TestMoveWhoseSealFailsLeavesTheWord(t *testing.T) {
	m, _ := active()
	move(t, m, state.Error, "damage")
	before, history := m.Load(), m.History()
	cause := errors.New("cannot seal")
	w, err := m.Move(before, state.Change{
		To: state.Recovering, Reason: "try", Between: func() error { return cause },
	})
	require.ErrorIs(t, err, cause)
	require.ErrorContains(t, err, "from ERROR to RECOVERING")
	assert.Equal(t, before, w)
	assert.Equal(t, before, m.Load())
	assert.Equal(t, "damage", m.Reason(), "the record of what did not happen explains nothing")
	assert.Equal(t, history, m.History())
	assert.Equal(t, state.Recovering, move(t, m, state.Recovering, "again").State())
	assert.Equal(t, "again", m.Reason())
}

func TestReceiverFinishesBesideAMove(t *testing.T) {
	m, _ := active()
	draining := move(t, m, state.Draining, "enough")
	w, err := m.Move(draining, state.Change{
		To: state.Error, Reason: "too late", Between: func() error {
			w, err := m.Finish(draining)
			assert.Equal(t, "CLOSING epoch 2 final", w.String())
			return err
		},
	})
	require.ErrorIs(t, err, state.ErrChanged)
	assert.Equal(t, state.Closing, w.State())
	assert.Equal(t, w, m.Load())
	assert.False(t, m.Last().Recorded)
	assert.Equal(t, "enough", m.Reason(), "that of the seal, not of the move that lost")
}

func TestFinishOnlyEndsWhatDrains(t *testing.T) {
	for high := range uint32(64) {
		w := state.Word(high<<26 | 9)
		m, _ := at(w)
		got, err := m.Finish(w)
		if w.Valid() && w.State() == state.Draining {
			require.NoError(t, err)
			require.Equal(t, "CLOSING epoch 10 final", got.String())
			require.Equal(t, got, m.Load())
			_, err = m.Finish(w)
			require.ErrorIs(t, err, state.ErrChanged, "it was finished")
			continue
		}
		require.ErrorIs(t, err, state.ErrIllegal, "%v", w)
		require.Equal(t, w, m.Load())
	}
}

func TestForcedAndFinalStay(t *testing.T) {
	m, _ := active()
	move(t, m, state.Draining, "")
	w, err := m.Move(m.Load(), state.Change{To: state.Closing, Forced: true})
	require.NoError(t, err)
	for _, to := range []state.State{state.Error, state.Closing, state.Error, state.Closing} {
		w = move(t, m, to, "")
		assert.True(t, w.Forced(), "%v", w)
		assert.True(t, w.Final(), "%v", w)
	}
	_, err = m.Move(w, state.Change{To: state.Closing, Forced: true})
	require.ErrorIs(t, err, state.ErrIllegal, "it is forced already")
	w = move(t, m, state.Closed, "")
	assert.True(t, w.Forced())
	for to := range state.State(16) {
		_, err := m.Move(w, state.Change{To: to})
		require.ErrorIs(t, err, state.ErrIllegal, "nothing leads out of CLOSED")
	}
}

func TestClosingCanBecomeForcedOnce(t *testing.T) {
	m, _ := active()
	move(t, m, state.Draining, "")
	w, err := m.Finish(m.Load())
	require.NoError(t, err)
	require.False(t, w.Forced())
	forced, err := m.Move(w, state.Change{To: state.Closing, Forced: true, Reason: "give up"})
	require.NoError(t, err)
	assert.True(t, forced.Forced())
	assert.Equal(t, w.Epoch()+1, forced.Epoch())
	assert.Equal(t, "give up", m.Reason())
}

func TestEpochWraps(t *testing.T) {
	m, _ := at(state.NewWord(state.Active) | lastEpoch)
	for i, to := range []state.State{
		state.Error, state.Recovering, state.Active, state.Draining, state.Closing, state.Closed,
	} {
		w := move(t, m, to, fmt.Sprint("change ", i))
		require.EqualValues(t, i, w.Epoch())
		require.Equal(t, to, w.State(), "the epoch does not run into the state")
	}
	history := m.History()
	require.Len(t, history, 6)
	for i, tr := range history {
		assert.EqualValues(t, i, tr.Word.Epoch())
		assert.Equal(t, fmt.Sprint("change ", i), tr.Reason)
	}
	assert.EqualValues(t, lastEpoch, history[0].From.Epoch())
}

func TestOfConcurrentMovesFromOneWordOneWins(t *testing.T) {
	begin(t)
	for range 200 {
		m, _ := active()
		from := m.Load()
		wins, all := atomic.Int32{}, sync.WaitGroup{}
		for range 4 {
			all.Go(func() {
				w, err := m.Move(from, state.Change{To: state.Draining})
				if err == nil {
					wins.Add(1)
				} else if !errors.Is(err, state.ErrChanged) {
					t.Error(err)
				}
				assert.Equal(t, "DRAINING epoch 1", w.String(), "each is told what is")
			})
		}
		all.Wait()
		require.EqualValues(t, 1, wins.Load())
	}
}

func TestWakeAllWakesEveryEvent(t *testing.T) {
	begin(t)
	m, c := active()
	events := []*layout.Event{&c.Data, &c.Space, &c.StateEvent, &c.Membership}
	all := sync.WaitGroup{}
	for _, e := range events {
		seq := futex.Sample(e)
		all.Go(func() { assert.NoError(t, futex.Wait(&e.Seq, seq, futex.Never)) })
	}
	m.WakeAll()
	all.Wait()
	for _, e := range events {
		assert.EqualValues(t, 1, futex.Sample(e), "bumped though no bit is set")
	}
}

func closing(w state.Word) bool { return w.State() == state.Closing }

func TestWaitReturnsAtOnceWhatIsAccepted(t *testing.T) {
	begin(t)
	m, _ := active()
	w, err := m.Wait(func(state.Word) bool { return true }, 1)
	require.NoError(t, err, "the condition counts before the deadline")
	assert.Equal(t, m.Load(), w)
}

func TestWaitEndsWithItsDeadline(t *testing.T) {
	begin(t)
	m, _ := active()
	until := futex.After(10 * time.Millisecond)
	w, err := m.Wait(closing, until)
	require.ErrorIs(t, err, futex.ErrTimeout)
	assert.Equal(t, m.Load(), w)
	assert.True(t, until.Passed())
}

func TestWaitSeesAChangeThatNobodyWokeFor(t *testing.T) {
	begin(t)
	m, _ := active()
	looks := 0
	w, err := m.Wait(func(w state.Word) bool {
		looks++
		if looks == 1 { // the mover is killed before its wake
			_, err := m.Move(w, state.Change{To: state.Draining})
			assert.NoError(t, err)
			return false
		}
		return w.State() == state.Draining
	}, futex.After(time.Millisecond))
	require.NoError(t, err, "the last look is after the deadline")
	assert.Equal(t, state.Draining, w.State())
}

func TestWaitersOfOneProcessSeeTheChange(t *testing.T) {
	begin(t)
	for range 50 {
		m, _ := active()
		all := sync.WaitGroup{}
		for range 4 {
			all.Go(func() {
				w, err := m.Wait(closing, futex.Never)
				assert.True(t, err == nil && closing(w), "%v %v", w, err)
			})
		}
		for _, to := range []state.State{state.Draining, state.Closing} {
			move(t, m, to, "")
			m.WakeAll()
		}
		all.Wait()
	}
}

// childWait waits for a state by its number and tells the word.
func childWait(c *shmtest.Conn, args []string) error {
	m, err := attach()
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	c.Say("waiting")
	w, err := m.Wait(func(w state.Word) bool { return int(w.State()) == number }, futex.Never)
	if err != nil {
		return err
	}
	c.Say("%v: %s", w, m.Reason())
	return nil
}

func TestWaiterInAnotherProcessSeesTheChange(t *testing.T) {
	begin(t)
	m, _ := shared(t)
	child := shmtest.Start(t, "wait", strconv.Itoa(int(state.Closing)))
	child.Expect("waiting")
	for _, to := range []state.State{state.Draining, state.Closing} {
		move(t, m, to, "by the parent to "+to.String())
		m.WakeAll()
	}
	child.Expect("CLOSING epoch 2 final: by the parent to CLOSING")
	require.NoError(t, child.Wait())
}

// childMove makes one move and tells who asks.
func childMove(c *shmtest.Conn, args []string) error {
	m, err := attach()
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	c.Hear()
	_, err = m.Move(m.Load(), state.Change{
		To: state.State(number), Reason: "by a child", By: state.Actor{PID: 7, Comm: "child"},
	})
	m.WakeAll()
	return err
}

func TestChangeOfAnotherProcessEndsTheWaitHere(t *testing.T) {
	begin(t)
	m, _ := shared(t)
	child := shmtest.Start(t, "move", strconv.Itoa(int(state.Draining)))
	child.Say("go")
	w, err := m.Wait(func(w state.Word) bool { return w.State() == state.Draining }, futex.Never)
	require.NoError(t, err)
	require.NoError(t, child.Wait())
	last := m.Last()
	assert.Equal(t, w, last.Word)
	assert.Equal(t, "by a child", last.Reason)
	assert.Equal(t, state.Actor{PID: 7, Comm: "child"}, last.By)
}

// FuzzStateCAS asserts that whatever word a channel is in and whatever is asked of it,
// the word changes only along the table, one epoch at a time.
func FuzzStateCAS(f *testing.F) {
	f.Add(uint32(state.NewWord(state.Active)), []byte{2, 3, 4})
	f.Add(uint32(state.NewWord(state.Active)|lastEpoch), []byte{5, 6, 1, 2, 0x80, 5, 0x43, 4})
	f.Add(uint32(0), []byte{1})
	f.Add(uint32(0xffffffff), []byte{0xff})
	f.Add(uint32(state.NewWord(state.Error)|forcedBit), []byte{3})
	f.Add(uint32(state.NewWord(state.Draining)), []byte{0x80, 0x43, 0x44})
	f.Fuzz(func(t *testing.T, word uint32, ops []byte) {
		m, _ := at(state.Word(word))
		for _, op := range ops[:min(len(ops), 64)] {
			to, forced := state.State(op&0xf), op&0x40 != 0
			finish, stale := op&0x80 != 0, op&0x20 != 0
			before := m.Load()
			from := before
			if stale {
				from ^= 1
			}
			var after state.Word
			var err error
			if finish {
				to, forced = state.Closing, false
				after, err = m.Finish(from)
			} else {
				after, err = m.Move(from, state.Change{To: to, Forced: forced})
			}
			if err != nil {
				known := errors.Is(err, state.ErrIllegal) || errors.Is(err, state.ErrChanged)
				require.True(t, known, "%v", err)
				require.Equal(t, before, m.Load(), "a refused move changes nothing")
				continue
			}
			require.False(t, stale)
			require.Equal(t, after, m.Load())
			want, legal := edges[key(before)][call(to, forced)]
			require.True(t, legal, "%v to %s", before, call(to, forced))
			require.Equal(t, want, key(after))
			require.Equal(t, (before.Epoch()+1)&lastEpoch, after.Epoch())
			if finish {
				require.Equal(t, state.Draining, before.State())
			}
		}
		for _, tr := range m.History() {
			require.True(t, tr.Recorded)
		}
		require.Equal(t, m.Load(), m.Last().Word)
	})
}

func ExampleMachine_Move() {
	var ctl layout.Control // in a segment it is shared with other processes
	ctl.State.V.Store(uint32(state.NewWord(state.Active)))
	m := state.New(&ctl)
	w, err := m.Move(m.Load(), state.Change{To: state.Draining, Reason: "all sent"})
	fmt.Println(w, err)
	m.WakeAll()
	w, err = m.Finish(w) // the receiver took the last message
	fmt.Println(w, err)
	m.WakeAll()
	fmt.Println(m.Reason())
	// Output:
	// DRAINING epoch 1 <nil>
	// CLOSING epoch 2 final <nil>
	// all sent
}
