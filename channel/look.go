package channel

import (
	"errors"
	"fmt"

	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/shm"
	"shmring/state"
)

// onNotice runs when the kernel says that somebody closed this segment's file, by
// choice or by death, or that the file's attributes changed.
func (ch *Channel) onNotice(n shm.Notice) {
	if n == shm.NoticeAttrib || n == shm.NoticeIgnored {
		ch.checkOrphaned()
	}
	ch.look(n == shm.NoticeRepeat)
	if n == shm.NoticeRepeat && !ch.seg.ReadOnly() {
		ch.try(ch.wakeInError)
	}
}

// wakeInError lets those who wait for the end of a rollback ask again whether anybody is still
// at it: he may be dead, and the kernel was late to free his lock.
func (ch *Channel) wakeInError() {
	if ch.state.Load().State() == state.Error {
		ch.state.WakeAll()
	}
}

// look settles the dead, repairs what they left half done, and wakes every sleeper
// so that a wake-up that somebody died before sending is not missed. A repeat wakes
// only if it found something.
func (ch *Channel) look(repeat bool) {
	if ch.seg.ReadOnly() {
		return
	}
	if ch.noInotify.Load() {
		ch.checkOrphaned() // nobody tells
	}
	err := ch.seg.Guard(func() error {
		if ch.settleDead() > 0 || !repeat {
			ch.membershipChanged()
		}
		ch.repair()
		return nil
	})
	if err != nil { // part of the memory may still be there, and who sleeps in that part
		_ = ch.guard(func() error { ch.state.WakeAll(); return nil }) // else they are disturbed
	}
	ch.unreported("look for deaths", err)
}

// checkOrphaned notices that the name is gone or belongs to another file.
func (ch *Channel) checkOrphaned() {
	if ch.seg.Nameless() || ch.orphaned.Load() {
		return
	}
	links, err := ch.seg.Links()
	if err != nil || links > 0 {
		return
	}
	err = ch.seg.Guard(func() error {
		if ch.state.Load().State() != state.Closed {
			ch.orphaned.Store(true)
			if !ch.seg.ReadOnly() {
				ch.state.WakeAll()
			}
		}
		return nil
	})
	ch.unreported("check for an unlinked segment", err)
}

// needsRepair is a look without a lock at whether a controller died half-way.
// RECOVERING needs one only if nobody holds the lock, which repair finds out.
func (ch *Channel) needsRepair() bool {
	w, sealed := ch.state.Load(), ch.ring.Sealed()
	if ch.ctl.Poison.Code.Load() != 0 && poisonable(w) { // sync: poison
		return true
	}
	switch w.State() {
	case state.Active:
		return sealed
	case state.Recovering:
		return true
	case state.Draining, state.Closing, state.Closed, state.Error:
		return !sealed
	}
	return true // no state at all
}

// poisonable reports whether damage changes anything in this state: what a forced close
// gave up may be damaged.
func poisonable(w state.Word) bool {
	switch w.State() {
	case state.Active, state.Draining, state.Recovering:
		return true
	case state.Closing:
		return !w.Forced()
	case state.Closed, state.Error:
	}
	return false
}

// repair completes what a dead controller left half done. It tries the control lock
// once: whoever holds it will finish, or die and be noticed.
func (ch *Channel) repair() bool {
	if ch.view.Kind != layout.KindChannel || ch.seg.ReadOnly() || !ch.needsRepair() {
		return false
	}
	release, ok, err := ch.seg.TryControl("repair")
	if err != nil || !ok {
		return false
	}
	defer release()
	return ch.repairLocked()
}

// repairLocked brings state word and seal into a pair that a living controller
// would have left. The caller holds the control lock. It reports a change.
func (ch *Channel) repairLocked() bool {
	changed := false
	for range 8 { // each round is one legal move; no chain of them is longer
		if !ch.repairStep() {
			break
		}
		changed = true
	}
	if changed {
		ch.state.WakeAll()
	}
	return changed
}

func (ch *Channel) repairStep() bool {
	w, sealed := ch.state.Load(), ch.ring.Sealed()
	code := layout.PoisonCode(ch.ctl.Poison.Code.Load()) // sync: poison
	switch {
	case !w.Valid():
		return false
	case code != layout.PoisonNone && poisonable(w):
		return ch.move(w, state.Change{
			To: state.Error, Reason: "corrupt: " + poisonText(code), Between: ch.seal,
		})
	case w.State() == state.Active && sealed:
		return ch.move(w, state.Change{
			To: state.Draining, Reason: "seal completed for a closer that died", Between: ch.seal,
		})
	case w.State() == state.Recovering && !sealed:
		return ch.move(w, state.Change{
			To: state.Active, Reason: "recovery completed for a recoverer that died",
		})
	case w.State() == state.Recovering:
		return ch.move(w, state.Change{
			To: state.Error, Reason: "the recoverer died before it was done",
		})
	case w.State() != state.Active && !sealed:
		return ch.ring.Seal()
	}
	return false
}

// move makes one change of state under the control lock. A word that changed
// meanwhile, by the receiver's lock-free move, is no error: the caller looks again.
func (ch *Channel) move(from state.Word, c state.Change) bool {
	c.By = ch.actor(layout.RoleController)
	_, err := ch.state.Move(from, c)
	if err != nil && !errors.Is(err, state.ErrChanged) {
		ch.logWarn("repair the state", err)
		return false
	}
	return true
}

func (ch *Channel) seal() error {
	ch.ring.Seal()
	return nil
}

func (ch *Channel) unseal() error {
	ch.ring.Unseal()
	return nil
}

// poison tells everybody that err was found, and tries to stop the channel.
func (ch *Channel) poison(err error) error {
	ce, ok := corruption(err)
	if !ok {
		return err
	}
	if ch.seg.ReadOnly() {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if ch.ctl.Poison.Code.CompareAndSwap(0, uint32(ce.Code)) { // sync: poison
		fault.Point("channel.poison.told")
		ch.ctl.Poison.Detail.Store(ce.Detail)
		ch.ctl.Poison.WhenNs.Store(nowNs())
	}
	ch.ctl.Totals.Corrupt.Add(1)
	ch.repair()
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

func poisonText(code layout.PoisonCode) string {
	names := [...]string{
		layout.PoisonNone: "nothing", layout.PoisonTail: "tail word",
		layout.PoisonHead:   "head word",
		layout.PoisonCommit: "commit word", layout.PoisonReference: "arena reference",
		layout.PoisonState: "state word", layout.PoisonChecksum: "message checksum",
		layout.PoisonIntent: "intent word",
	}
	if int(code) < len(names) {
		return "impossible " + names[code]
	}
	return "unknown damage"
}
