package channel

import (
	"fmt"
	"strings"
	"time"

	"shmring/internal/layout"
	"shmring/shm"
	"shmring/state"
)

// who names the holder of a place, for people.
func (ch *Channel) who(place int) string {
	return describeIdentity(&ch.view.Participants[place].Who)
}

func describeIdentity(id *layout.Identity) string {
	comm := layout.LoadText(id.Comm[:])
	return shm.Describe(id.PID.Load(), id.PIDNS.Load(), id.Start.Load(), comm)
}

const stopped = "stopped"

// condition says in a word how somebody is whose lock is held.
func condition(id *layout.Identity) string {
	if shm.Stopped(id.PID.Load(), id.PIDNS.Load(), id.Start.Load()) {
		return stopped
	}
	return "alive"
}

// whyFull says in words why there is no room.
func (ch *Channel) whyFull(since time.Time) string {
	depth, err := ch.ring.Depth()
	head := fmt.Sprintf("full: %d of %d slots in use", depth, ch.view.SlotCount)
	if ch.view.ArenaSize > 0 {
		head += fmt.Sprintf(", %d of %d arena bytes", ch.ring.ArenaUsed(), ch.view.ArenaSize)
	}
	if err != nil {
		head = "full"
	}
	return head + "; " + ch.whyReceiver(since)
}

// whyReceiver says what the receiver is doing. Somebody has waited for it since then: who made
// no progress for so long either is called stuck. A wait alone is no proof, others may have
// taken the room that it made; and if it waits for a sender, that one holds all up.
func (ch *Channel) whyReceiver(since time.Time) string {
	row := &ch.view.Participants[layout.PlaceReceiver]
	if row.Claim.Load() == 0 { // sync: claim
		if dead := row.Dead.Load(); dead != 0 { // sync: death
			return "the " + ch.peerError(row, dead).Error() + ", nobody took its place"
		}
		return "no receiver is attached"
	}
	if !ch.alive(layout.PlaceReceiver) {
		return "the receiver just died"
	}
	p := ch.participant(layout.PlaceReceiver, row, row.Claim.Load()) // sync: claim
	text := p.String()
	stall := ch.opts.stallAfter()
	still := time.Since(since) > stall && time.Since(p.Progress) > stall
	if still && p.Busy == "" && p.Waiting != waitNames[layout.WaitHole] {
		text += ": stuck"
	}
	return text
}

// whyEmpty says in words why there is no message.
func (ch *Channel) whyEmpty(hole bool) string {
	if hole {
		if text := ch.whyHole(); text != "" {
			return text
		}
	}
	var names []string
	for _, place := range ch.placesFor(layout.RoleSender) {
		row := &ch.view.Participants[place]
		if layout.Role(row.Who.Role.Load()) == layout.RoleSender && ch.present(place) {
			p := ch.participant(place, row, row.Claim.Load()) // sync: claim
			names = append(names, p.Who+" "+p.Doing())
		}
	}
	if w := ch.state.Load(); w.State() != state.Active {
		return fmt.Sprintf("empty, state %s (%s)", w.State(), ch.state.Reason())
	}
	switch len(names) {
	case 0:
		return "empty, no sender is attached"
	case 1:
		return "empty, sender " + names[0]
	}
	return fmt.Sprintf("empty, %d senders: %s", len(names), strings.Join(names, "; "))
}

// whyHole names the living senders whose unfinished messages are in front.
func (ch *Channel) whyHole() string {
	var parts []string
	for place := range ch.places {
		row := &ch.view.Participants[place]
		if row.Intent.Load() == 0 || !ch.present(place) { // sync: intent
			continue
		}
		parts = append(parts, ch.participant(place, row, row.Claim.Load()).String()) // sync: claim
	}
	if len(parts) == 0 {
		return ""
	}
	return "waiting on a message reserved and not committed: " + strings.Join(parts, "; ")
}

// busyText returns what a participant declared by Busy, while its limit lasts.
func busyText(row *layout.Participant) string {
	since, limit := row.BusyNs.Load(), row.BusyMaxNs.Load()
	if since == 0 {
		return ""
	}
	note := layout.LoadText(row.BusyNote[:])
	spent := time.Duration(nowNs() - since)
	if spent > time.Duration(limit) {
		return fmt.Sprintf("busy %q for %s, longer than the %s it declared",
			note, round(spent), round(time.Duration(limit)))
	}
	return fmt.Sprintf("busy %q for %s of at most %s",
		note, round(spent), round(time.Duration(limit)))
}

func age(ns int64) string { return round(time.Duration(nowNs() - ns)).String() }

func round(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}
