package channel

import (
	"time"

	"shmring/internal/layout"
)

// NoSlices makes every long sleep last until somebody wakes it: slices hide lost
// wake-ups.
func NoSlices() { testSlice = 24 * time.Hour }

// Blind makes an attachment one that gets no death notices.
func (ch *Channel) Blind() { ch.noInotify.Store(true) }

// Control gives tests the words of the segment, to damage them.
func (ch *Channel) Control() *layout.Control { return ch.ctl }

// View gives tests the memory of the segment.
func (ch *Channel) View() *layout.View { return ch.view }

// Control gives tests the words of the segment, to damage them.
func (e *Event) Control() *layout.Control { return e.ch.ctl }

// Deafen makes an attachment what it is where inotify is not to be had: it gets no notices
// and looks for deaths in slices.
func (ch *Channel) Deafen() {
	ch.stopNotify()
	ch.stopNotify = nil
	ch.noInotify.Store(true)
}

// EagerToGiveBack makes every drain give back whatever is a page.
func EagerToGiveBack() { giveLeast = 1 }

// GivenBack returns how many bytes of the segment are not in memory.
func (ch *Channel) GivenBack() (uint64, error) { return ch.seg.GivenBack() }

// A Latch is what makes the calls of a handle take turns.
type Latch = latch

// MakeBiased makes an unused latch biased, if it can be.
func (l *latch) MakeBiased() { l.makeBiased() }
