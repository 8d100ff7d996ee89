package main

import (
	"fmt"
	"time"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/state"
)

// A trouble is something that holds a channel up: what is wrong and who holds it, and what to
// do. The words about who are those of the errors of a deadline.
type trouble struct {
	What   string `json:"what" doc:"is wrong, and who holds it up"`
	Remedy string `json:"remedy" doc:"what to do"`
}

// troubles finds what holds the channel up. It is never nil.
func (v *view) troubles() []trouble {
	found := []trouble{}
	if v.err != nil {
		return found
	}
	if stale(v.entry, thisBoot()) {
		return append(found, staleTrouble(v.entry))
	}
	found = append(found, v.stateTrouble()...)
	for _, p := range v.participants {
		found = append(found, v.participantTrouble(p)...)
	}
	s, name := v.stats, v.entry.Name
	if _, lives := v.receiver(); s.Depth > 0 && !lives {
		what := "no receiver is attached"
		if s.DeadReceiver != 0 {
			what = v.deadReceiver() + ", nobody took its place"
		}
		found = append(found, trouble{
			fmt.Sprintf("%s; %d of %d slots in use", what, s.Depth, s.Slots),
			fmt.Sprintf("start one; shmctl peek %s shows what is there", name),
		})
	}
	return found
}

// deadReceiver names the last receiver.
func (v *view) deadReceiver() string {
	for _, d := range v.stats.Deaths {
		if d.Instance == v.stats.DeadReceiver {
			return fmt.Sprintf("the receiver pid %d (%s) died %s ago", d.PID, d.Comm,
				shortTime(time.Since(d.At)))
		}
	}
	return "the receiver died"
}

// stateTrouble says what a state other than ACTIVE means for those who work.
func (v *view) stateTrouble() []trouble {
	s, name := v.stats, v.entry.Name
	head := s.State.String()
	if s.Reason != "" {
		head += " (" + s.Reason + ")"
	}
	switch s.State {
	case state.Draining:
		return []trouble{{
			fmt.Sprintf("%s: sealed, %d slots left", head, s.Depth),
			fmt.Sprintf("shmctl recv %s takes the rest, shmctl close %s ends it, "+
				"close --rollback lets senders go on", name, name),
		}}
	case state.Closing:
		return []trouble{{
			fmt.Sprintf("%s: being closed, %d slots left", head, s.Depth), "shmctl close " + name,
		}}
	case state.Error:
		return []trouble{{head + ": nobody can send", fmt.Sprintf(
			"shmctl dump %s for the bug report, then shmctl recover %s", name, name)}}
	case state.Recovering:
		return []trouble{{
			head + ": senders wait; its author died if it lasts", "shmctl recover " + name,
		}}
	case state.Closed:
		return []trouble{{head + ": nobody could remove it", "shmctl rm " + name}}
	case state.Active:
	}
	return nil
}

// participantTrouble says what is wrong with one participant.
func (v *view) participantTrouble(p channel.Participant) []trouble {
	name := v.entry.Name
	kill := fmt.Sprintf("shmctl recover %s --kill %d", name, p.PID)
	what := p.String()
	fills := p.Role == layout.RoleSender && p.Reserved > 0 && p.Waiting == ""
	awaited := fills && v.waitsOnHole()
	switch {
	case awaited: // as the receiver's error says it
		what = "waiting on a message reserved and not committed: " + what
	case fills:
		what = "a message is reserved and not committed: " + what
	}
	switch v.condition(p) {
	case conditionDead:
		return []trouble{{
			p.Role.String() + " " + p.Who + " died, not yet settled",
			"whoever attaches next settles it; shmctl recover " + name,
		}}
	case conditionStopped:
		return []trouble{{what, fmt.Sprintf("kill -CONT %d, or %s", p.PID, kill)}}
	case conditionStuck:
		return []trouble{{
			what + ": stuck",
			fmt.Sprintf("a stack tells why (kill -QUIT %d ends a Go program), or %s", p.PID, kill),
		}}
	}
	if awaited {
		return []trouble{{what, "wait, or see what it does"}}
	}
	full := v.stats.Depth >= v.stats.Slots
	waits := p.Role == layout.RoleSender && p.Waiting == waitsForSpace
	if waits && (full || v.stats.ArenaUsed > 0) {
		if r, ok := v.receiver(); ok {
			remedy := "wait, or see what it does"
			if c := v.condition(r); c == conditionStopped || c == conditionStuck {
				remedy = "first the receiver" // whose own trouble stands above
			}
			return []trouble{{v.fullText() + "; " + r.String(), remedy + "; " + what}}
		}
		return []trouble{{v.fullText() + "; " + what, "start a receiver"}}
	}
	if p.Busy != "" && v.stats.Depth > 0 {
		return []trouble{{what, "wait: it said so"}}
	}
	return nil
}

// Participant.Waiting of those who hold nobody up.
const (
	waitsForSpace = "space"
	waitsForHole  = "hole"
)

// waitsOnHole reports whether the receiver waits for a message that is being filled.
func (v *view) waitsOnHole() bool {
	r, ok := v.receiver()
	return ok && r.Waiting == waitsForHole
}

// fullText says how full the channel is, as the error of a send does.
func (v *view) fullText() string {
	text := fmt.Sprintf("full: %d of %d slots in use", v.stats.Depth, v.stats.Slots)
	if v.stats.ArenaBytes > 0 {
		text += fmt.Sprintf(", %d of %d arena bytes", v.stats.ArenaUsed, v.stats.ArenaBytes)
	}
	return text
}

func (v *view) troublesText() string {
	text := ""
	for _, t := range v.troubles() {
		text += fmt.Sprintf("%-13s %s: %s\n", "trouble", t.What, t.Remedy)
	}
	return text
}
