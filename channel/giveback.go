package channel

import (
	"context"
	"errors"
	"fmt"
	"os"

	"shmring/internal/fault"
	"shmring/ring"
	"shmring/state"
)

// A drain gives memory back as the head moves, in pieces of giveLeast, or of a giveShare of
// the segment if that is more; and, at the end, whatever is at least giveLeast. Nobody waits
// long for the control lock: giveMost is given back under one hold of it.
const (
	giveShare = 16
	giveMost  = 16 << 20
)

// giveLeast is a variable for tests.
var giveLeast uint64 = 64 << 10

// A giver gives back the memory of a channel while it is drained. See PROTOCOL.md, 11.
type giver struct {
	ch      *Channel
	given   []ring.Extent // of the file, when it was last done
	bytes   uint64        // not in memory, whoever gave it back
	refused bool          // the file system does not do that
}

// run gives back what became spare, if that is worth it. It is only ever an economy: what fails
// is left as it is.
func (g *giver) run(ctx context.Context, ended bool) {
	if g.refused || !mayGive(g.ch.state.Load()) {
		return
	}
	spare, err := g.ch.sparePages()
	if err != nil {
		return // two loads of different times, or damage: others find it
	}
	least := max(giveLeast, g.ch.view.TotalSize/giveShare)
	if ended {
		least = giveLeast
	}
	size := g.ch.view.TotalSize
	if within(spare, 0, size) < within(g.given, 0, size)+least {
		return
	}
	for from := uint64(0); from < size; from += giveMost {
		to := from + giveMost
		if within(spare, from, to) == within(g.given, from, to) {
			continue // only more becomes spare while the ring is sealed
		}
		if ctx.Err() != nil || !g.piece(from, to) {
			return // what was done is done again: that is cheap
		}
	}
	g.given = spare
	if n, err := g.ch.seg.GivenBack(); err == nil {
		g.bytes = n
	}
}

// piece gives back the spare pages between two bytes of the file. The control lock makes sure
// that nobody takes the seal back meanwhile, nor forces the close.
func (g *giver) piece(from, to uint64) bool {
	release, ok, err := g.ch.seg.TryControl("give memory back")
	if err != nil || !ok {
		return false
	}
	defer g.ch.repair() // whoever found something while we had the lock leaves it to us
	defer release()
	fault.Point("channel.giveback.locked")
	if !mayGive(g.ch.state.Load()) {
		return false
	}
	if err := g.ch.giveBack(from, to); err != nil {
		g.refused = true
		return false
	}
	return true
}

// giveBack gives back the spare pages between two bytes of the file. The caller holds the
// control lock, and the close is not forced.
func (ch *Channel) giveBack(from, to uint64) error {
	spare, err := ch.sparePages()
	if err != nil {
		return err
	}
	for _, x := range spare {
		if x = clip(x, from, to); x.Len == 0 {
			continue
		}
		if err := ch.seg.GiveBack(x.Off, x.Len); err != nil {
			return err
		}
		fault.Point("channel.giveback.punched")
	}
	return nil
}

// mayGive reports whether a channel in this state may give memory back. After a forced close
// the head says nothing about what is still held; and of damage nobody knows what it means.
func mayGive(w state.Word) bool {
	return w.Valid() && !w.Forced() &&
		(w.State() == state.Draining || w.State() == state.Closing)
}

// sparePages returns which whole pages of the file are spare.
func (ch *Channel) sparePages() ([]ring.Extent, error) {
	spare, err := ch.ring.Spare()
	if err != nil {
		return nil, err
	}
	pages := make([]ring.Extent, 0, len(spare.Slots)+len(spare.Arena))
	for _, region := range []struct {
		off  uint64
		part [2]ring.Extent
	}{{ch.view.SlotsOff, spare.Slots}, {ch.view.ArenaOff, spare.Arena}} {
		for _, x := range region.part {
			if x = inward(ring.Extent{Off: region.off + x.Off, Len: x.Len}); x.Len > 0 {
				pages = append(pages, x)
			}
		}
	}
	return pages, nil
}

// inward returns the whole pages of an extent.
func inward(x ring.Extent) ring.Extent {
	page := uint64(os.Getpagesize())
	off := (x.Off + page - 1) / page * page
	end := (x.Off + x.Len) / page * page
	if end <= off {
		return ring.Extent{}
	}
	return ring.Extent{Off: off, Len: end - off}
}

// clip returns the part of x between two bytes.
func clip(x ring.Extent, from, to uint64) ring.Extent {
	off, end := max(x.Off, from), min(x.Off+x.Len, to)
	if end <= off {
		return ring.Extent{}
	}
	return ring.Extent{Off: off, Len: end - off}
}

// within returns how many bytes of all extents lie between two bytes.
func within(all []ring.Extent, from, to uint64) (n uint64) {
	for _, x := range all {
		n += clip(x, from, to).Len
	}
	return n
}

// refill allocates again what a drain gave back, before anybody may write it: before a
// recovery looks at slots, and before the seal is taken back. The caller holds the control
// lock. It asks for everything whatever was done before, so nobody can die in between.
func (ch *Channel) refill() error {
	fault.Point("channel.refill.begin")
	err := ch.seg.Refill()
	if err == nil {
		fault.Point("channel.refill.done")
		return nil
	}
	if errors.Is(err, ErrNoSpace) && !ch.state.Load().Forced() {
		// What it got is of no use to anybody here. If this fails too it is just kept.
		_ = ch.giveBack(0, ch.view.TotalSize)
	}
	return err
}

// unread counts the messages of the ring without being its receiver. What it looks at may be
// released and given back meanwhile, and then there may be no memory to look at.
func (ch *Channel) unread() (n uint64, err error) {
	for range maxMoves {
		head := ch.ring.Head()
		err = ch.guard(func() error { n, err = ch.ring.Unread(); return err })
		if !errors.Is(err, ErrFault) || ch.ring.Head() == head {
			break
		}
	}
	return n, err
}

// abandoned counts the slots that the dead did not fill, as unread counts messages.
func (ch *Channel) abandoned() (n uint64, err error) {
	for range maxMoves {
		head := ch.ring.Head()
		err = ch.guard(func() error { n = ch.ring.Abandoned(ch.alive); return nil })
		if !errors.Is(err, ErrFault) || ch.ring.Head() == head {
			break
		}
	}
	return n, err
}

// noRoom is why a rollback leaves a channel in ERROR.
func noRoom(err error) string { return fmt.Sprintf("rolled back only so far: %v", err) }
