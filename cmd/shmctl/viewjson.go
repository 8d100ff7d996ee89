package main

import (
	"fmt"
	"strings"
	"time"

	"shmring/channel"
	"shmring/state"
)

// summaryJSON is an element of ls --json and the beginning of stat --json. What cannot
// be read is left out.
type summaryJSON struct {
	Name     string        `json:"name"`
	Path     string        `json:"path" doc:"of the file"`
	State    string        `json:"state" doc:"of the channel, or one word for why it is none"`
	Reason   string        `json:"reason" doc:"of the state"`
	Error    string        `json:"error,omitempty" doc:"why it cannot be shown as a channel"`
	Size     int64         `json:"size" doc:"bytes of the file"`
	Mode     string        `json:"mode" doc:"permissions, octal"`
	UID      uint32        `json:"uid" doc:"of the owner"`
	GID      uint32        `json:"gid" doc:"of the owner"`
	Attached bool          `json:"attached" doc:"somebody is"`
	Instance string        `json:"instance,omitempty" doc:"hexadecimal"`
	Created  *time.Time    `json:"created,omitempty"`
	Creator  *creatorJSON  `json:"creator,omitempty"`
	Geometry *geometryJSON `json:"geometry,omitempty"`
	Counters *countersJSON `json:"counters,omitempty"`
}

type creatorJSON struct {
	PID  uint32 `json:"pid"`
	UID  uint32 `json:"uid"`
	Comm string `json:"comm" doc:"name of the process"`
}

type countersJSON struct {
	Depth         uint64 `json:"depth" doc:"slots in use"`
	ArenaUsed     uint64 `json:"arena_used" doc:"bytes"`
	Sent          uint64 `json:"sent" doc:"messages"`
	SentBytes     uint64 `json:"sent_bytes" doc:"of payloads"`
	Received      uint64 `json:"received" doc:"messages"`
	ReceivedBytes uint64 `json:"received_bytes" doc:"of payloads"`
	Holes         uint64 `json:"holes" doc:"slots of the dead, skipped"`
	Aborted       uint64 `json:"aborted" doc:"slots given back unsent"`
	Discarded     uint64 `json:"discarded" doc:"messages, by forced closes"`
	NotDelivered  uint64 `json:"not_delivered" doc:"messages at most, of mute receivers"`
	Corrupt       uint64 `json:"corrupt" doc:"impossible words found"`
	Senders       int    `json:"senders" doc:"living"`
	Receivers     int    `json:"receivers" doc:"living"`
}

// statJSON is what stat --json prints.
type statJSON struct {
	summaryJSON
	Troubles     []trouble         `json:"troubles" doc:"what holds it up"`
	Participants []participantJSON `json:"participants" doc:"who takes part"`
	History      []transitionJSON  `json:"history" doc:"the last changes of state"`
	Deaths       []deathJSON       `json:"deaths" doc:"the last ones"`
}

type participantJSON struct {
	Place     int       `json:"place" doc:"row of the table"`
	Claim     uint64    `json:"claim" doc:"unique in the life of the channel"`
	Role      string    `json:"role" doc:"receiver, sender, controller, member (of an event)"`
	PID       uint32    `json:"pid" doc:"in its own pid namespace"`
	Comm      string    `json:"comm" doc:"name of the process"`
	Who       string    `json:"who" doc:"pid and name in words"`
	Since     time.Time `json:"since"`
	Condition string    `json:"condition" doc:"alive, stopped, closing, busy, stuck, dead"`
	Doing     string    `json:"doing" doc:"in the words of the errors of a deadline"`
	Busy      string    `json:"busy" doc:"its note; empty: not busy"`
	Waiting   string    `json:"waiting" doc:"data, space, hole, drain, state or empty"`
	WaitingNs int64     `json:"waiting_ns"`
	Progress  time.Time `json:"progress" doc:"the last one; lags by up to 256 messages"`
	Held      uint32    `json:"held" doc:"messages or leases; told late, 0 is no proof"`
	Reserved  uint64    `json:"reserved" doc:"slots being filled"`
	Messages  uint64    `json:"messages" doc:"sent or received"`
	Bytes     uint64    `json:"bytes" doc:"of payloads"`
	Waits     uint64    `json:"waits" doc:"calls that waited"`
	Parks     uint64    `json:"parks" doc:"sleeps in the kernel"`
	Wakes     uint64    `json:"wakes" doc:"system calls to wake others"`
}

type transitionJSON struct {
	Epoch  uint32    `json:"epoch" doc:"number of the change"`
	From   string    `json:"from" doc:"a state"`
	To     string    `json:"to" doc:"a state"`
	Forced bool      `json:"forced" doc:"by close --force"`
	Reason string    `json:"reason"`
	PID    uint32    `json:"pid" doc:"of whoever changed it"`
	Comm   string    `json:"comm" doc:"its name"`
	Role   string    `json:"role" doc:"its role"`
	At     time.Time `json:"at"`
}

type deathJSON struct {
	Claim uint64    `json:"claim" doc:"unique in the life of the channel"`
	PID   uint32    `json:"pid"`
	Role  string    `json:"role"`
	Comm  string    `json:"comm" doc:"name of the process"`
	At    time.Time `json:"at" doc:"when it was settled"`
}

func newSummaryJSON(v *view) summaryJSON {
	e := v.entry
	j := summaryJSON{
		Name: e.Name, Path: e.Path, State: v.state, Reason: v.reason, Size: e.Size,
		Mode: fmt.Sprintf("%04o", e.Mode.Perm()), UID: e.UID, GID: e.GID, Attached: e.Attached,
	}
	if v.err != nil {
		j.Error = v.err.Error()
	}
	if v.readable() {
		h := e.Header
		created := time.Unix(0, h.CreatedNs).UTC()
		geometry := newGeometryJSON(v.options(), e.Geometry.MaxMessage())
		j.Instance, j.Created, j.Geometry = instanceText(h.Instance), &created, &geometry
		j.Creator = &creatorJSON{PID: h.CreatorPID, UID: h.CreatorUID, Comm: creatorComm(e)}
	}
	if v.err == nil {
		s := v.stats
		j.Counters = &countersJSON{
			Depth: s.Depth, ArenaUsed: s.ArenaUsed, Sent: s.Sent, SentBytes: s.SentBytes,
			Received: s.Received, ReceivedBytes: s.ReceivedBytes, Holes: s.Holes,
			Aborted: s.Aborted, Discarded: s.Discarded, NotDelivered: s.NotDelivered,
			Corrupt: s.Corrupt, Senders: s.Senders, Receivers: s.Receivers,
		}
	}
	return j
}

func creatorComm(e channel.Entry) string {
	return strings.TrimRight(string(e.Header.CreatorComm[:]), "\x00")
}

func newStatJSON(v *view) statJSON {
	j := statJSON{
		summaryJSON: newSummaryJSON(v), Troubles: v.troubles(),
		Participants: newParticipantsJSON(v),
		History:      []transitionJSON{}, Deaths: newDeathsJSON(v.stats.Deaths),
	}
	for _, t := range v.history {
		j.History = append(j.History, newTransitionJSON(t))
	}
	return j
}

func newParticipantsJSON(v *view) []participantJSON {
	list := make([]participantJSON, len(v.participants))
	for i, p := range v.participants {
		list[i] = participantJSON{
			Place: p.Place, Claim: p.Instance, Role: p.Role.String(), PID: p.PID, Comm: p.Comm,
			Who: p.Who, Since: p.Since.UTC(), Condition: v.condition(p), Doing: p.Doing(),
			Busy:    p.Busy,
			Waiting: p.Waiting, WaitingNs: int64(p.WaitingTime), Progress: p.Progress.UTC(),
			Held: p.Held, Reserved: p.Reserved, Messages: p.Messages, Bytes: p.Bytes,
			Waits: p.Waits, Parks: p.Parks, Wakes: p.Wakes,
		}
	}
	return list
}

func newDeathsJSON(deaths []channel.Death) []deathJSON {
	list := make([]deathJSON, len(deaths))
	for i, d := range deaths {
		list[i] = deathJSON{
			Claim: d.Instance, PID: d.PID, Role: d.Role.String(), Comm: d.Comm, At: d.At.UTC(),
		}
	}
	return list
}

func newTransitionJSON(t state.Transition) transitionJSON {
	return transitionJSON{
		Epoch: t.Word.Epoch(), From: t.From.State().String(), To: t.Word.State().String(),
		Forced: t.Word.Forced(), Reason: t.Reason, PID: t.By.PID, Comm: t.By.Comm,
		Role: t.By.Role.String(), At: t.At.UTC(),
	}
}
