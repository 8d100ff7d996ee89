package channel

import (
	"context"
	"time"

	"shmring/internal/layout"
	"shmring/shm"
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
	ch.LoseNotices()
	ch.noInotify.Store(true)
}

// EagerToGiveBack makes every drain give back whatever is a page.
func EagerToGiveBack() { giveLeast = 1 }

// LoseNotices makes an attachment get no notices, and not know that.
func (ch *Channel) LoseNotices() {
	if ch.stopNotify != nil {
		ch.stopNotify()
		ch.stopNotify = nil
	}
}

// GivenBack returns how many bytes of the segment are not in memory.
func (ch *Channel) GivenBack() (uint64, error) { return ch.seg.GivenBack() }

// A Latch is what makes the calls of a handle take turns.
type Latch = latch

// MakeBiased makes an unused latch biased, if it can be.
func (l *latch) MakeBiased() { l.makeBiased() }

// Hold takes the byte of a place as a claim does first: nobody knows whose it is.
func (ch *Channel) Hold(place int) error { return ch.seg.Claim(place) }

// Drop frees the byte of a place as the kernel does for the dead: nobody is told.
func (ch *Channel) Drop(place int) error { return ch.seg.Unclaim(place) }

// SettleUntold makes the holder of a place dead, and whoever settled him, before that one
// told anybody.
func (ch *Channel) SettleUntold(place int) error {
	ch.settle(place)
	return ch.seg.Unclaim(place)
}

// Notice is what a notice of the kernel, or its repeat, does.
func (ch *Channel) Notice(repeat bool) {
	n := shm.NoticeClosed
	if repeat {
		n = shm.NoticeRepeat
	}
	ch.onNotice(n)
}

// Meanwhile returns something to wait for that is never ready: each look runs f.
func Meanwhile(w Waitable, f func()) Waitable { return meanwhile{w, f} }

type meanwhile struct {
	Waitable

	f func()
}

func (m meanwhile) ready() bool {
	m.f()
	return false
}

// Explain makes an error of the ring one for the caller.
func (tx *Sender) Explain(err error) error { return tx.explain(context.Background(), err) }
