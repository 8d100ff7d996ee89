package channel

import (
	"errors"
	"fmt"
	"time"

	"shmring/futex"
	"shmring/internal/fault"
	"shmring/internal/layout"
	"shmring/internal/race"
)

// A place belongs to whoever holds the kernel's lock on its byte. The row of the
// place only tells who that is. The order of a claim:
//
//	lock the byte          from here on the place is ours
//	settle                 record the death of a predecessor that left its claim
//	clear                  its intent, its waiting bits
//	identity, then number  a row with a claim number has an identity
//	bump, wake             everybody looks again
//
// Dying between any two of them leaves a free byte with a claim number, or one
// without: both are settled by the next look or the next claim.

// claim takes the place for role. It returns ErrBusy if somebody living has it.
func (ch *Channel) claim(place int, role layout.Role) error {
	if err := ch.seg.Claim(place); err != nil {
		return err
	}
	ch.token.Acquire(race.Control)
	ch.token.Release(race.Control)
	err := ch.guard(func() error {
		row := &ch.view.Participants[place]
		fault.Point("channel.claim.locked")
		ch.settle(place)
		fault.Point("channel.claim.settled")
		ch.clearRow(place)
		ch.self.Store(&row.Who, role)
		fault.Point("channel.claim.identity")
		row.Claim.Store(ch.ctl.Totals.Claims.Add(1)) // sync: claim
		fault.Point("channel.claim.numbered")
		ch.membershipChanged()
		return nil
	})
	if err != nil {
		return errors.Join(err, ch.seg.Unclaim(place))
	}
	return nil
}

// clearRow empties what a predecessor may have left in a place we hold.
func (ch *Channel) clearRow(place int) {
	row := &ch.view.Participants[place]
	row.Intent.Store(0) // sync: intent
	fault.Point("channel.clear.intent")
	for _, e := range ch.events() {
		futex.Withdraw(e, place)
	}
	fault.Point("channel.clear.bits")
	row.BusyNs.Store(0)
	row.Closing.Store(0)
	row.Held.Store(0)
	row.Messages.Store(0)
	row.Bytes.Store(0)
	row.Waits.Store(0)
	row.Parks.Store(0)
	row.Wakes.Store(0)
	row.WaitNs.Store(0)
	row.WaitFor.Store(layout.WaitNothing)
	row.ProgressNs.Store(time.Now().UnixNano())
}

func (ch *Channel) events() [4]*layout.Event {
	return [4]*layout.Event{
		&ch.ctl.Data, &ch.ctl.Space, &ch.ctl.StateEvent, &ch.ctl.Membership,
	}
}

// unclaim leaves a place cleanly: nothing of ours stays behind in the row, and no
// death is on record there.
func (ch *Channel) unclaim(place int) error { return ch.unclaimKeeping(place, 0) }

// unclaimKeeping is unclaim that leaves a death on record: while the byte is ours nobody
// else can have written there, and nobody sees the place free without it.
func (ch *Channel) unclaimKeeping(place int, dead uint64) error {
	ch.token.Release(race.Control)
	gone := ch.guard(func() error {
		row := &ch.view.Participants[place]
		ch.foldCounters(row)
		ch.clearRow(place)
		row.Dead.Store(dead) // sync: death
		fault.Point("channel.unclaim.cleared")
		row.Claim.Store(0) // sync: claim
		fault.Point("channel.unclaim.unnumbered")
		return nil
	})
	err := ch.seg.Unclaim(place)
	fault.Point("channel.unclaim.unlocked")
	if gone == nil {
		ch.try(ch.membershipChanged)
	}
	return errors.Join(gone, err)
}

// settle records the death of a holder that left its claim number behind. The
// caller holds the place's byte. Every step may be repeated by another who settles
// after us: records are keyed by the claim number, which goes last.
func (ch *Channel) settle(place int) {
	row := &ch.view.Participants[place]
	number := row.Claim.Load() // sync: claim
	if number == 0 {
		return
	}
	role := layout.Role(row.Who.Role.Load())
	fault.Point("channel.settle.begin")
	if place == layout.PlaceReceiver && role == layout.RoleReceiver {
		// Whatever it was given lies before this tail: it may come again.
		ch.ctl.Totals.Redeliver.Store(ch.ctl.Tail.V.Load() | 1<<63)
		fault.Point("channel.settle.redeliver")
	}
	// A receiver that had closed, with messages in hand, had left before it died.
	if place != layout.PlaceReceiver || row.Closing.Load() == 0 {
		ch.recordDeath(row, role, number)
	}
	ch.foldCounters(row)
	fault.Point("channel.settle.folded")
	row.Intent.Store(0) // sync: intent
	fault.Point("channel.settle.intent")
	for _, e := range ch.events() {
		futex.Withdraw(e, place)
	}
	fault.Point("channel.settle.bits")
	row.Claim.Store(0) // sync: claim
}

// recordDeath keeps a death in the place's own row and in the log.
func (ch *Channel) recordDeath(row *layout.Participant, role layout.Role, number uint64) {
	now := time.Now().UnixNano()
	row.DeadPID.Store(row.Who.PID.Load())
	row.DeadRole.Store(uint32(role))
	row.DeadNs.Store(now)
	fault.Point("channel.settle.row")
	row.Dead.Store(number) // sync: death
	fault.Point("channel.settle.dead")
	ch.logDeath(row, number, now)
}

// logDeath writes the log of deaths; the row is chosen by the claim number, so that
// writing twice changes nothing.
func (ch *Channel) logDeath(row *layout.Participant, number uint64, now int64) {
	d := &ch.view.Deaths[number%layout.DeathCount]
	if d.Claim.Load() == number {
		return
	}
	d.Claim.Store(0)
	fault.Point("channel.settle.log")
	d.Who.PID.Store(row.Who.PID.Load())
	d.Who.Role.Store(row.Who.Role.Load())
	d.Who.PIDNS.Store(row.Who.PIDNS.Load())
	d.Who.Start.Store(row.Who.Start.Load())
	for i := range d.Who.Comm {
		d.Who.Comm[i].Store(row.Who.Comm[i].Load())
	}
	d.Who.WhenNs.Store(now)
	fault.Point("channel.settle.logging")
	d.Claim.Store(number)
	fault.Point("channel.settle.logged")
}

// foldCounters keeps a departing sender's counts in the totals. They are for
// people: a kill between the two halves may count some twice.
func (ch *Channel) foldCounters(row *layout.Participant) {
	if layout.Role(row.Who.Role.Load()) != layout.RoleSender {
		return
	}
	ch.ctl.Totals.PastSent.Add(row.Messages.Swap(0))
	ch.ctl.Totals.PastSentBytes.Add(row.Bytes.Swap(0))
}

// membershipChanged tells every process that somebody came, left or died.
func (ch *Channel) membershipChanged() {
	ch.ctl.Membership.Seq.Add(1) // sync: membership
	ch.state.WakeAll()
}

// alive asks the kernel whether the place is held. In doubt it is: the living are
// never robbed.
func (ch *Channel) alive(place int) bool {
	ok, err := ch.seg.Alive(place)
	return err != nil || ok
}

// present reports whether somebody lives at the place and has introduced himself.
func (ch *Channel) present(place int) bool {
	return ch.view.Participants[place].Claim.Load() != 0 && ch.alive(place) // sync: claim
}

// settleDead settles every place whose holder died, and reports how many.
func (ch *Channel) settleDead() int {
	found := 0
	for place := range ch.places {
		row := &ch.view.Participants[place]
		if row.Claim.Load() == 0 || ch.alive(place) { // sync: claim
			continue
		}
		if ch.seg.Claim(place) != nil {
			continue // a successor, or another who settles
		}
		if row.Claim.Load() != 0 { // sync: claim
			ch.settle(place)
			found++
		}
		if err := ch.seg.Unclaim(place); err != nil {
			ch.logWarn("free a settled place", err)
		}
	}
	return found
}

// claimFree takes any free place for role, from the list of candidates.
func (ch *Channel) claimFree(places []int, role layout.Role) (int, error) {
	for _, place := range places {
		err := ch.claim(place, role)
		if err == nil {
			return place, nil
		}
		if !errors.Is(err, ErrBusy) {
			return 0, err
		}
	}
	return 0, ch.placesTaken(places, role)
}

// placesTaken says who holds the places.
func (ch *Channel) placesTaken(places []int, role layout.Role) error {
	if len(places) == 1 {
		who := ch.who(places[0])
		if condition(&ch.view.Participants[places[0]].Who) == stopped {
			who += ", stopped"
		}
		return fmt.Errorf("%w: the %s is %s", ErrBusy, role, who)
	}
	return fmt.Errorf("%w: all %d places for a %s are taken: close some handles or create "+
		"the channel with more participants", ErrBusy, len(places), role)
}

// placesFor lists the places that a role may take. Senders fill from below,
// controllers from above. An event has members only.
func (ch *Channel) placesFor(role layout.Role) []int {
	switch {
	case role == layout.RoleReceiver:
		return []int{layout.PlaceReceiver}
	case role == layout.RoleSender && ch.view.RingKind == layout.RingSPSC:
		return []int{layout.PlaceSender}
	}
	places := make([]int, 0, ch.places)
	if role == layout.RoleMember {
		places = append(places, layout.PlaceReceiver)
	}
	if role == layout.RoleSender || role == layout.RoleMember {
		for p := layout.PlaceSender; p < ch.places; p++ {
			places = append(places, p)
		}
		return places
	}
	for p := ch.places - 1; p >= layout.PlaceFree; p-- {
		places = append(places, p)
	}
	return places
}
