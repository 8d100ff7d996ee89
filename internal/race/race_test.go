package race

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"shmring/internal/layout"
)

func TestTokensCostNothingInAnOrdinaryBuild(t *testing.T) {
	if Enabled {
		t.Skip("the race detector is on")
	}
	token := For([16]byte{1}, false)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		token.Release(Messages)
		token.Acquire(Messages)
	}))
}

// TestTokenOrdersWhatTheDetectorCannotSee hands plain memory from one goroutine to
// another over a word that is outside of what the detector watches; without the token
// it would report a race.
func TestTokenOrdersWhatTheDetectorCannotSee(t *testing.T) {
	mem, err := mapAnonymous(layout.PageSize)
	if err != nil {
		t.Fatal(err)
	}
	defer unmap(t, mem)
	word, token := layout.Word(mem, 0), For([16]byte{3}, false)
	payload := 0 // handed back and forth
	var all sync.WaitGroup
	for side := range uint64(2) {
		all.Go(func() {
			for turn := side; turn < 200; turn += 2 {
				for word.Load() != turn {
					yield()
				}
				token.Acquire(Room)
				payload++
				token.Release(Room)
				word.Store(turn + 1)
			}
		})
	}
	all.Wait()
	assert.Equal(t, 200, payload)
}
