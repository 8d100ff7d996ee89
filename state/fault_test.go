//go:build fault

package state_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/fault"
	"shmring/internal/shmtest"
	"shmring/state"
)

// killedAt has another process move to a state, which is killed at the point.
func killedAt(t *testing.T, point string, to state.State) {
	t.Helper()
	t.Setenv(fault.EnvVar, point+":kill")
	child := shmtest.Start(t, "move", strconv.Itoa(int(to)))
	t.Setenv(fault.EnvVar, "")
	child.Say("go")
	require.ErrorContains(t, child.Wait(), "signal: killed", "point %s was not reached", point)
}

func TestKillBetweenRecordAndWordIsAsIfNothingWasMoved(t *testing.T) {
	begin(t)
	for _, point := range []string{"state.move.recorded", "state.move.between"} {
		t.Run(point, func(t *testing.T) {
			m, _ := shared(t)
			move(t, m, state.Error, "damage")
			before, history := m.Load(), m.History()
			killedAt(t, point, state.Recovering)
			assert.Equal(t, before, m.Load())
			assert.Equal(t, "damage", m.Reason())
			assert.Equal(t, history, m.History())
			// Another goes another way, and its record takes the place of the dead one's.
			w := move(t, m, state.Closing, "instead")
			assert.Equal(t, before.Epoch()+1, w.Epoch())
			assert.Equal(t, "instead", m.Reason())
			assert.Len(t, m.History(), 2)
		})
	}
}

func TestKillBetweenRecordAndWordBesideTheReceiver(t *testing.T) {
	begin(t)
	m, _ := shared(t)
	move(t, m, state.Draining, "enough")
	killedAt(t, "state.move.recorded", state.Error)
	_, err := m.Finish(m.Load())
	require.NoError(t, err)
	assert.Equal(t, "enough", m.Reason())
	require.Len(t, m.History(), 1, "the dead one's record is of a change that never was")
}

func TestKillAfterTheWordIsAMoveThatNobodyWasWokenFor(t *testing.T) {
	begin(t)
	m, _ := shared(t)
	killedAt(t, "state.move.done", state.Draining)
	assert.Equal(t, "DRAINING epoch 1", m.Load().String())
	assert.Equal(t, "by a child", m.Reason())
}
