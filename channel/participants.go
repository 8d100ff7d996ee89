package channel

import (
	"cmp"
	"slices"
	"time"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/ring"
)

// A Participant is one sender, receiver or controller of the channel, of any
// process.
type Participant struct {
	Place    int
	Instance uint64 // claim number: unique in the life of the segment
	Role     layout.Role
	PID      uint32 // in its own pid namespace
	Comm     string
	Who      string // pid and name in words, as far as they can be known from here
	Since    time.Time
	Alive    bool   // as the kernel says
	Stopped  bool   // alive, and stopped by a signal or a debugger, as far as can be known
	Closing  bool   // closed, but leases or messages are still held
	Held     uint32 // leases or messages held

	Busy        string // note of a Busy that lasts, in words
	Waiting     string // "data", "space", "hole", "drain" or ""
	WaitingTime time.Duration
	Progress    time.Time // last progress; lags by up to 256 messages
	Reserved    uint64    // slots reserved and not committed

	Messages, Bytes, Waits, Parks, Wakes uint64
}

var waitNames = [...]string{
	layout.WaitNothing: "", layout.WaitData: "data", layout.WaitSpace: "space",
	layout.WaitHole: "hole", layout.WaitDrain: "drain", layout.WaitState: "state",
}

// Participants lists who is attached with a role, by place. A participant that died
// and was not settled yet is listed with Alive false.
func (ch *Channel) Participants() []Participant {
	if ch.enter() != nil {
		return nil
	}
	defer ch.leave()
	ch.flushOwn()
	var out []Participant
	ch.try(func() { out = ch.participants() })
	ch.token.Acquire(race.Control)
	return out
}

func (ch *Channel) participants() []Participant {
	var out []Participant
	for place := range ch.places {
		row := &ch.view.Participants[place]
		number := row.Claim.Load() // sync: claim
		if number == 0 {
			continue
		}
		out = append(out, ch.participant(place, row, number))
	}
	return out
}

func (ch *Channel) participant(place int, row *layout.Participant, number uint64) Participant {
	p := Participant{
		Place: place, Instance: number, Role: layout.Role(row.Who.Role.Load()),
		PID: row.Who.PID.Load(), Comm: layout.LoadText(row.Who.Comm[:]), Who: ch.who(place),
		Since: time.Unix(0, row.Who.WhenNs.Load()), Alive: ch.alive(place),
		Closing: row.Closing.Load() != 0, Held: row.Held.Load(), Busy: busyText(row),
		Progress: time.Unix(0, row.ProgressNs.Load()),
		Messages: row.Messages.Load(), Bytes: row.Bytes.Load(), Waits: row.Waits.Load(),
		Parks: row.Parks.Load(), Wakes: row.Wakes.Load(),
	}
	if kind := row.WaitFor.Load(); kind != 0 && int(kind) < len(waitNames) {
		p.Waiting = waitNames[kind]
		if since := row.WaitNs.Load(); since != 0 {
			p.WaitingTime = time.Duration(nowNs() - since)
		}
	}
	p.Stopped = p.Alive && condition(&row.Who) == stopped
	p.Reserved = reservedBy(row)
	return p
}

func sortByInstance(deaths []Death) {
	slices.SortFunc(deaths, func(a, b Death) int { return cmp.Compare(a.Instance, b.Instance) })
}

// reservedBy returns how many slots the intent of a sender covers.
func reservedBy(row *layout.Participant) uint64 {
	_, n, ok := ring.IntentRange(row.Intent.Load()) // sync: intent
	if !ok {
		return 0
	}
	return n
}
