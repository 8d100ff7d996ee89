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
	Path     string        `json:"path"`
	State    string        `json:"state"`
	Reason   string        `json:"reason"`
	Error    string        `json:"error,omitempty"`
	Size     int64         `json:"size"`
	Mode     string        `json:"mode"`
	UID      uint32        `json:"uid"`
	GID      uint32        `json:"gid"`
	Attached bool          `json:"attached"`
	Instance string        `json:"instance,omitempty"`
	Created  *time.Time    `json:"created,omitempty"`
	Creator  *creatorJSON  `json:"creator,omitempty"`
	Geometry *geometryJSON `json:"geometry,omitempty"`
	Counters *countersJSON `json:"counters,omitempty"`
}

type creatorJSON struct {
	PID  uint32 `json:"pid"`
	UID  uint32 `json:"uid"`
	Comm string `json:"comm"`
}

type countersJSON struct {
	Depth         uint64 `json:"depth"`
	ArenaUsed     uint64 `json:"arena_used"`
	Sent          uint64 `json:"sent"`
	SentBytes     uint64 `json:"sent_bytes"`
	Received      uint64 `json:"received"`
	ReceivedBytes uint64 `json:"received_bytes"`
	Holes         uint64 `json:"holes"`
	Aborted       uint64 `json:"aborted"`
	Discarded     uint64 `json:"discarded"`
	NotDelivered  uint64 `json:"not_delivered"`
	Corrupt       uint64 `json:"corrupt"`
	Senders       int    `json:"senders"`
	Receivers     int    `json:"receivers"`
}

// statJSON is what stat --json prints.
type statJSON struct {
	summaryJSON
	Troubles     []trouble         `json:"troubles"`
	Participants []participantJSON `json:"participants"`
	History      []transitionJSON  `json:"history"`
	Deaths       []deathJSON       `json:"deaths"`
}

type participantJSON struct {
	Place     int       `json:"place"`
	Claim     uint64    `json:"claim"`
	Role      string    `json:"role"`
	PID       uint32    `json:"pid"`
	Comm      string    `json:"comm"`
	Who       string    `json:"who"`
	Since     time.Time `json:"since"`
	Condition string    `json:"condition"` // alive, stopped, closing, busy, stuck, dead
	Doing     string    `json:"doing"`     // in words
	Busy      string    `json:"busy"`
	Waiting   string    `json:"waiting"` // data, space, hole, drain, state or empty
	WaitingNs int64     `json:"waiting_ns"`
	Progress  time.Time `json:"progress"`
	Held      uint32    `json:"held"`
	Reserved  uint64    `json:"reserved"`
	Messages  uint64    `json:"messages"`
	Bytes     uint64    `json:"bytes"`
	Waits     uint64    `json:"waits"`
	Parks     uint64    `json:"parks"`
	Wakes     uint64    `json:"wakes"`
}

type transitionJSON struct {
	Epoch  uint32    `json:"epoch"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Forced bool      `json:"forced"`
	Reason string    `json:"reason"`
	PID    uint32    `json:"pid"`
	Comm   string    `json:"comm"`
	Role   string    `json:"role"`
	At     time.Time `json:"at"`
}

type deathJSON struct {
	Claim uint64    `json:"claim"`
	PID   uint32    `json:"pid"`
	Role  string    `json:"role"`
	Comm  string    `json:"comm"`
	At    time.Time `json:"at"`
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
