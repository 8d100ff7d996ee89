package state_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
	"shmring/state"
)

func TestRecordTellsAllOfAChange(t *testing.T) {
	m, _ := active()
	by := state.Actor{
		PID: 4321, Role: layout.RoleController, PIDNS: 1 << 40, Start: 1<<63 + 5, Comm: "worker",
	}
	before := time.Now()
	from := m.Load()
	w, err := m.Move(from, state.Change{To: state.Error, Reason: "damage in slot 7", By: by})
	require.NoError(t, err)
	last := m.Last()
	assert.True(t, last.Recorded)
	assert.Equal(t, w, last.Word)
	assert.Equal(t, from, last.From)
	assert.Equal(t, "damage in slot 7", last.Reason)
	assert.Equal(t, by, last.By)
	assert.False(t, last.At.Before(before.Truncate(0)))
	assert.Equal(t, []state.Transition{last}, m.History())
}

func TestRecordCutsLongTextAtARune(t *testing.T) {
	m, _ := active()
	_, err := m.Move(m.Load(), state.Change{
		To: state.Error, Reason: strings.Repeat("ä", 200),
		By: state.Actor{Comm: strings.Repeat("c", 99)},
	})
	require.NoError(t, err)
	last := m.Last()
	assert.Equal(t, strings.Repeat("ä", 80), last.Reason, "160 bytes")
	assert.True(t, utf8.ValidString(last.Reason))
	assert.Equal(t, strings.Repeat("c", 16), last.By.Comm)
}

func TestBeginningHasNoRecord(t *testing.T) {
	m, _ := active()
	assert.Equal(t, state.Transition{Word: m.Load()}, m.Last())
	assert.Empty(t, m.Reason())
	assert.Empty(t, m.History())
}

func TestHistoryIsTheLastEightOldestFirst(t *testing.T) {
	m, _ := active()
	loop := []state.State{state.Error, state.Recovering, state.Active}
	for i := range 30 {
		move(t, m, loop[i%3], fmt.Sprint("change ", i+1))
		history := m.History()
		require.Len(t, history, min(i+1, layout.TransitionCount))
		for k, tr := range history {
			require.Equal(t, fmt.Sprint("change ", i+1-len(history)+k+1), tr.Reason)
			if k > 0 {
				require.Equal(t, history[k-1].Word, tr.From)
			}
		}
	}
}

func TestHistoryLeavesOutTheReceiversMove(t *testing.T) {
	m, _ := active()
	move(t, m, state.Draining, "enough")
	_, err := m.Finish(m.Load())
	require.NoError(t, err)
	move(t, m, state.Closed, "over")
	history := m.History()
	require.Len(t, history, 2)
	assert.Equal(t, "enough", history[0].Reason)
	assert.Equal(t, "over", history[1].Reason)
}

// TestHistoryLeavesOutAMoveThatLostARace has a record of a change to ERROR that the
// receiver's move to CLOSING forestalled.
func TestHistoryLeavesOutAMoveThatLostARace(t *testing.T) {
	m, _ := active()
	draining := move(t, m, state.Draining, "enough")
	_, err := m.Move(draining, state.Change{
		To: state.Error, Reason: "never happened", Between: func() error {
			_, err := m.Finish(draining)
			return err
		},
	})
	require.ErrorIs(t, err, state.ErrChanged)
	for _, want := range [][]string{{"enough"}, {"enough", "over"}} {
		var got []string
		for _, tr := range m.History() {
			got = append(got, tr.Reason)
		}
		assert.Equal(t, want, got)
		if m.Load().State() == state.Closing {
			move(t, m, state.Closed, "over")
		}
	}
}

func TestReasonOfAReceiversMoveIsThatOfTheSeal(t *testing.T) {
	m, c := active()
	move(t, m, state.Draining, "enough")
	_, err := m.Finish(m.Load())
	require.NoError(t, err)
	assert.Equal(t, "enough", m.Reason())
	assert.Equal(t, "drained, by the receiver", m.Last().Reason)
	c.Transitions[1].Tag.Store(0) // the seal's record cannot be read
	assert.Equal(t, "drained, by the receiver", m.Reason())
}

func TestReasonOfASealWithoutReasonIsTheReceivers(t *testing.T) {
	m, _ := active()
	move(t, m, state.Draining, "")
	_, err := m.Finish(m.Load())
	require.NoError(t, err)
	assert.Equal(t, "drained, by the receiver", m.Reason())
}

func TestTornAndImpossibleRecordsExplainNothing(t *testing.T) {
	for name, tag := range map[string]func(w uint64) uint64{
		"being written":       func(uint64) uint64 { return 0 },
		"of another word":     func(w uint64) uint64 { return w ^ 3<<28 },
		"of another epoch":    func(w uint64) uint64 { return w + 8 },
		"of an earlier round": func(w uint64) uint64 { return w - 8 },
		"of no word":          func(uint64) uint64 { return 0xffffffff },
		"more than a word":    func(w uint64) uint64 { return w | 1<<40 },
	} {
		m, c := at(state.NewWord(state.Active) | 20)
		w := move(t, m, state.Error, "damage")
		c.Transitions[w.Epoch()%layout.TransitionCount].Tag.Store(tag(uint64(w)))
		assert.Equal(t, state.Transition{Word: w}, m.Last(), name)
		assert.Empty(t, m.Reason(), name)
		assert.Empty(t, m.History(), name)
	}
}

func TestRecordOfGarbageIsReadSafely(t *testing.T) {
	m, c := active()
	w := move(t, m, state.Error, "x")
	tr := &c.Transitions[1]
	for i := range tr.Reason {
		tr.Reason[i].Store(0xffffffffffffff1b)
	}
	tr.Who.Comm[0].Store(0x1b1b1b1b1b1b1b1b)
	tr.From.Store(1 << 63)
	tr.Who.WhenNs.Store(-1 << 63)
	last := m.Last()
	assert.Equal(t, w, last.Word)
	for _, text := range []string{last.Reason, last.By.Comm} {
		assert.NotContains(t, text, "\x1b", "nothing reaches a terminal raw")
		assert.True(t, utf8.ValidString(text))
	}
	assert.Len(t, m.History(), 1)
}

// TestRecordsReadBesideAWriterAreWholeOrNone reads while records are written: every one
// that is given belongs together.
func TestRecordsReadBesideAWriterAreWholeOrNone(t *testing.T) {
	begin(t)
	m, _ := active()
	stop, all := make(chan struct{}), sync.WaitGroup{}
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for _, tr := range append(m.History(), m.Last()) {
					if !tr.Recorded {
						continue
					}
					epoch := tr.Word.Epoch()
					want := fmt.Sprintf("change %d %s", epoch, strings.Repeat("x", int(epoch%100)))
					if tr.Reason != want || tr.By.PID != epoch || tr.From.Epoch()+1 != epoch {
						t.Errorf("torn: %+v", tr)
						return
					}
				}
			}
		})
	}
	loop := []state.State{state.Error, state.Recovering, state.Active}
	for i := range 3000 {
		_, err := m.Move(m.Load(), state.Change{
			To: loop[i%3], By: state.Actor{PID: uint32(i + 1)},
			Reason: fmt.Sprintf("change %d %s", i+1, strings.Repeat("x", (i+1)%100)),
		})
		require.NoError(t, err)
	}
	close(stop)
	all.Wait()
}
