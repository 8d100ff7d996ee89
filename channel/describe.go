package channel

import (
	"fmt"

	"shmring/internal/layout"
)

// String says who the participant is and what it does, as the errors of a deadline do.
func (p Participant) String() string { return p.Role.String() + " " + p.Who + " " + p.Doing() }

// waitWords say what somebody waits for, by Participant.Waiting.
var waitWords = map[string]string{
	waitNames[layout.WaitData]:  "waiting for data",
	waitNames[layout.WaitSpace]: "waiting for room",
	waitNames[layout.WaitHole]:  "waiting for a message reserved and not committed",
	waitNames[layout.WaitDrain]: "waiting until all is received",
	waitNames[layout.WaitState]: "waiting for a change of state",
}

// Doing says in words how the participant is and what it does: alive, stopped or dead, what it
// holds and for how long at least, what it is busy with or waits for, and when it last made
// progress. The errors of a deadline say the same.
func (p Participant) Doing() string {
	text := "alive"
	switch {
	case !p.Alive:
		return "dead, not yet settled"
	case p.Stopped:
		text = stopped
	}
	if p.Closing {
		text += ", closing"
	}
	if p.Reserved > 0 {
		text += ", filling " + plural(p.Reserved, "slot")
	}
	if p.Held > 0 {
		text += ", holding " + plural(uint64(p.Held), held(p.Role)) + p.heldFor()
	}
	if p.Busy != "" {
		return text + ", " + p.Busy
	}
	waits := waitWords[p.Waiting]
	if p.Role == layout.RoleMember && waits != "" {
		waits = "waiting for a signal"
	}
	if waits != "" {
		text += ", " + waits
		if p.WaitingTime > 0 {
			text += " for " + round(p.WaitingTime).String()
		}
	}
	if p.Progress.UnixNano() > 0 {
		text += ", last progress " + age(p.Progress.UnixNano()) + " ago"
	}
	return text
}

// heldFor says for how long, at least: a receiver tells that it holds something and the time
// at once, and progress after that only makes it shorter. A sender does not tell when.
func (p Participant) heldFor() string {
	if p.Role != layout.RoleReceiver || p.Progress.UnixNano() <= 0 {
		return ""
	}
	return " for " + age(p.Progress.UnixNano())
}

// held is what somebody of that role holds.
func held(role layout.Role) string {
	if role == layout.RoleSender {
		return "lease"
	}
	return "message"
}

func plural(n uint64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
