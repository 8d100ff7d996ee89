package state_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/shm"
	"shmring/state"
)

func TestMain(m *testing.M) { shmtest.Main(m, children) }

// children are the functions that tests run in processes of their own.
var children = map[string]shmtest.ChildFunc{"wait": childWait, "move": childMove}

// begin gives a test its watchdog; no goroutine may be left.
func begin(t testing.TB) {
	t.Helper()
	shmtest.Watchdog(t, 2*time.Minute)
	t.Cleanup(func() { goleak.VerifyNone(t) })
}

// at returns a machine over words on the heap, in a word of the given state.
func at(w state.Word) (*state.Machine, *layout.Control) {
	c := new(layout.Control)
	c.State.V.Store(uint32(w))
	return state.New(c), c
}

// active returns a machine whose life begins.
func active() (*state.Machine, *layout.Control) { return at(state.NewWord(state.Active)) }

func move(t testing.TB, m *state.Machine, to state.State, reason string) state.Word {
	t.Helper()
	w, err := m.Move(m.Load(), state.Change{To: to, Reason: reason})
	require.NoError(t, err)
	require.Equal(t, w, m.Load())
	return w
}

// shared returns a machine over a segment that other processes can attach to.
func shared(t *testing.T) (*state.Machine, *shm.Segment) {
	t.Helper()
	shmtest.Dir(t)
	s, err := shm.Create(t.Context(), shm.CreateOptions{
		Name: "a",
		Params: layout.Params{
			Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: 4, SlotSize: 64,
			MaxParticipants: 8,
		},
		Init: func(v *layout.View) {
			v.Control.State.V.Store(uint32(state.NewWord(state.Active)))
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Detach(context.Background(), func() bool { return true }))
	})
	return state.New(s.View().Control), s
}

// attach is what a child begins with.
func attach() (*state.Machine, error) {
	s, err := shm.Open(context.Background(), shm.OpenOptions{Name: "a"})
	if err != nil {
		return nil, err
	}
	return state.New(s.View().Control), nil
}
