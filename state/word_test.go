package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/state"
)

const (
	finalBit  = 1 << 27
	forcedBit = 1 << 26
	lastEpoch = 1<<26 - 1
)

// edges is the table as the documentation has it: from a state with its marks, by a
// move, to a state with its marks. What is not here is illegal.
var edges = map[string]map[string]string{
	"ACTIVE": {"DRAINING": "DRAINING", "ERROR": "ERROR"},
	"DRAINING": {
		"CLOSING": "CLOSING final", "CLOSING forced": "CLOSING final forced", "ERROR": "ERROR",
	},
	"CLOSING final": {
		"CLOSED": "CLOSED final", "CLOSING forced": "CLOSING final forced", "ERROR": "ERROR final",
	},
	"CLOSING final forced": {
		"CLOSED": "CLOSED final forced", "CLOSED forced": "CLOSED final forced",
		"ERROR": "ERROR final forced", "ERROR forced": "ERROR final forced",
	},
	"CLOSED final":        {},
	"CLOSED final forced": {},
	"ERROR": {
		"RECOVERING": "RECOVERING", "CLOSING": "CLOSING final",
		"CLOSING forced": "CLOSING final forced",
	},
	"ERROR final": {"CLOSING": "CLOSING final", "CLOSING forced": "CLOSING final forced"},
	"ERROR final forced": {
		"CLOSING": "CLOSING final forced", "CLOSING forced": "CLOSING final forced",
	},
	"RECOVERING": {"ACTIVE": "ACTIVE", "ERROR": "ERROR"},
}

// key names a word without its epoch, as edges does.
func key(w state.Word) string {
	text := w.State().String()
	if w.Final() {
		text += " final"
	}
	if w.Forced() {
		text += " forced"
	}
	return text
}

// call names a move, as edges does.
func call(to state.State, forced bool) string {
	if forced {
		return to.String() + " forced"
	}
	return to.String()
}

func TestNextIsTheTable(t *testing.T) {
	valid, moves, all := 0, 0, 0
	for _, targets := range edges {
		all += len(targets)
	}
	for high := range uint32(64) { // every state and every mark
		for _, epoch := range []uint32{0, 1, 7, 12345, lastEpoch} {
			w := state.Word(high<<26 | epoch)
			targets, ok := edges[key(w)]
			require.Equal(t, ok, w.Valid(), "%v", w)
			if ok {
				valid++
			}
			for to := range state.State(17) {
				for _, forced := range []bool{false, true} {
					want, legal := targets[call(to, forced)]
					next, err := state.Next(w, to, forced)
					if !legal {
						require.ErrorIs(t, err, state.ErrIllegal, "%v to %s", w, call(to, forced))
						require.Zero(t, next)
						continue
					}
					moves++
					require.NoError(t, err, "%v to %s", w, call(to, forced))
					require.Equal(t, want, key(next), "%v to %s", w, call(to, forced))
					require.Equal(t, (epoch+1)%(1<<26), next.Epoch())
					require.True(t, next.Valid())
				}
			}
		}
	}
	assert.Equal(t, len(edges)*5, valid, "every word of the table was met")
	assert.Equal(t, all*5, moves)
}

func TestWordParts(t *testing.T) {
	w := state.NewWord(state.Error) | finalBit | forcedBit | 5
	assert.Equal(t, state.Error, w.State())
	assert.True(t, w.Final())
	assert.True(t, w.Forced())
	assert.EqualValues(t, 5, w.Epoch())
	assert.Equal(t, state.Word(0x5c000005), w, "the bits that other programs rely on")
	for s := state.Active; s <= state.Recovering; s++ {
		w := state.NewWord(s)
		assert.Equal(t, s, w.State())
		assert.Zero(t, w.Epoch())
		assert.False(t, w.Final())
		assert.False(t, w.Forced())
		assert.EqualValues(t, uint32(s)<<28, w)
	}
}

func TestStatesKeepTheirNumbers(t *testing.T) {
	for i, name := range []string{
		"NONE", "ACTIVE", "DRAINING", "CLOSING", "CLOSED", "ERROR", "RECOVERING", "STATE(7)",
	} {
		assert.Equal(t, name, state.State(i).String())
	}
}

func TestWordOfZeroesIsNone(t *testing.T) {
	var w state.Word
	assert.False(t, w.Valid())
	assert.Equal(t, "NONE epoch 0", w.String())
}

func TestWordTellsPeople(t *testing.T) {
	w := state.NewWord(state.Closing) | finalBit | forcedBit | lastEpoch
	assert.Equal(t, "CLOSING epoch 67108863 final forced", w.String())
	assert.Equal(t, "ACTIVE epoch 0", state.NewWord(state.Active).String())
}

func TestIllegalErrorSaysWhatIsLeft(t *testing.T) {
	_, err := state.Next(state.NewWord(state.Active), state.Closed, false)
	require.EqualError(t, err, "no way from ACTIVE to CLOSED")
	var illegal *state.IllegalError
	require.ErrorAs(t, err, &illegal)
	assert.Equal(t, state.IllegalError{From: state.Active, To: state.Closed}, *illegal)
	require.NotErrorIs(t, err, state.ErrChanged)

	_, err = state.Next(state.NewWord(state.Error)|finalBit, state.Recovering, false)
	require.ErrorContains(t, err, "only CLOSING is left")
	require.ErrorAs(t, err, &illegal)
	assert.True(t, illegal.Final)
}

func TestEveryWayFromActiveEndsInClosedOrCanGoOn(t *testing.T) {
	reached := map[string]bool{"ACTIVE": true}
	for grown := true; grown; {
		grown = false
		for from := range reached {
			for _, to := range edges[from] {
				grown = grown || !reached[to]
				reached[to] = true
			}
		}
	}
	assert.Len(t, reached, len(edges), "no row of the table is for nothing")
	for from, targets := range edges {
		assert.Equal(t, strings.HasPrefix(from, "CLOSED"), len(targets) == 0, from)
		if strings.Contains(from, "final") {
			for to, after := range targets {
				assert.Contains(t, after, "final", "%s to %s", from, to)
			}
		}
	}
}

func ExampleNext() {
	w := state.NewWord(state.Active)
	for _, to := range []state.State{state.Draining, state.Closing, state.Active} {
		next, err := state.Next(w, to, false)
		if err != nil {
			fmt.Println(err)
			return
		}
		w = next
		fmt.Println(w)
	}
	// Output:
	// DRAINING epoch 1
	// CLOSING epoch 2 final
	// no way from CLOSING to ACTIVE
}
