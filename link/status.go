package link

import (
	"encoding/binary"
	"fmt"
	"time"

	"shmring/channel"
)

// A Status is what a server knows of its runner.
type Status struct {
	// By the runner's own word.
	Note  string        // what it is busy with; "" if it did not say
	Since time.Time     // of that
	Limit time.Duration // how long that takes at most, it said
	Done  uint64        // progress: of Total
	Total uint64        // 0: not known
	Value []byte        // of Publish
	Told  time.Time     // when it last told any of this; zero: never

	// By the kernel's and the segments' account.
	Joined   bool
	PID      int    // of the runner
	Who      string // pid and name in words
	Alive    bool
	Stopped  bool          // by a signal or a debugger
	Holds    string        // requests not released, tokens reserved and not sent; in words
	Waiting  string        // what it waits for: "data", "space", …; "" if it works
	Idle     time.Duration // since its last progress on any channel
	Requests uint64        // in the channel, not taken or not released
	Tokens   uint64        // in the channel, not taken by the server
	Stuck    string        // why it holds others up, in words; "" if it does not
}

// told is the runner's part of a Status, as the cell carries it.
type told struct {
	note                 string
	sinceNs, atNs, limit int64
	done, total          uint64
	value                []byte
}

// The cell holds six words, the last of which is the length of the note, the note, and the
// user's value.
const (
	toldHeader = 6 * 8
	maxNote    = 64

	// MaxStatus is how many bytes Runner.Publish takes.
	MaxStatus = channel.MaxEventValue - toldHeader - maxNote
)

func (s told) encode() []byte {
	note := s.note[:min(len(s.note), maxNote)]
	b := make([]byte, toldHeader, channel.MaxEventValue)
	for i, v := range [...]uint64{
		uint64(s.sinceNs), uint64(s.atNs), uint64(s.limit), s.done, s.total,
		uint64(len(note)),
	} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	return append(append(b, note...), s.value...)
}

func decodeTold(b []byte) (s told, ok bool) {
	if len(b) < toldHeader {
		return s, false
	}
	u := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	note := toldHeader + min(u(5), uint64(len(b)-toldHeader))
	return told{
		sinceNs: int64(u(0)), atNs: int64(u(1)), limit: int64(u(2)), done: u(3), total: u(4),
		note: string(b[toldHeader:note]), value: b[note:],
	}, true
}

// fill adds the runner's word.
func (s *Status) fill(t told) {
	s.Note, s.Limit, s.Done, s.Total = t.note, time.Duration(t.limit), t.done, t.total
	s.Value, s.Told = t.value, time.Unix(0, t.atNs)
	if t.sinceNs != 0 {
		s.Since = time.Unix(0, t.sinceNs)
	}
}

// observe adds what the rows of the channels say.
func (s *Status) observe(set *segments, stallAfter time.Duration) {
	var last time.Time
	var held, reserved uint64
	see := func(p channel.Participant) {
		s.PID, s.Who = int(p.PID), p.Who
		s.Alive, s.Stopped = p.Alive, s.Stopped || p.Stopped
		held, reserved = held+uint64(p.Held), reserved+p.Reserved
		if p.Waiting != "" {
			s.Waiting = p.Waiting
		}
		if p.Progress.After(last) {
			last = p.Progress
		}
	}
	for _, p := range set.requests.Participants() {
		if p.Role.String() == "receiver" {
			see(p)
		}
	}
	for _, p := range set.tokens.Participants() {
		if p.Role.String() == "sender" {
			see(p)
			s.Joined = true
		}
	}
	s.Requests, s.Tokens = set.requests.Stats().Depth, set.tokens.Stats().Depth
	if s.Told.After(last) {
		last = s.Told
	}
	if !last.IsZero() {
		s.Idle = max(0, time.Since(last))
	}
	if held+reserved > 0 {
		s.Holds = fmt.Sprintf("%d requests not released, %d tokens reserved and not sent",
			held, reserved)
	}
	s.judge(held+reserved, stallAfter)
}

// judge says whether others wait for the runner, and why.
func (s *Status) judge(held uint64, stallAfter time.Duration) {
	busy := s.Note != "" && time.Since(s.Since) < s.Limit
	work := held > 0 || s.Requests > 0
	switch {
	case !s.Joined || !work:
	case !s.Alive:
		s.Stuck = s.Who + " is dead"
	case s.Stopped:
		s.Stuck = s.Who + " is stopped"
	case !busy && s.Waiting != "data" && s.Idle >= stallAfter:
		s.Stuck = fmt.Sprintf("%s made no progress for %v", s.Who, s.Idle.Round(time.Millisecond))
	}
	if s.Stuck == "" {
		return
	}
	if s.Holds != "" {
		s.Stuck += ", holding " + s.Holds
	}
	s.Stuck += fmt.Sprintf(", %d requests wait, last progress %v ago", s.Requests,
		s.Idle.Round(time.Millisecond))
	if s.Note != "" {
		s.Stuck += fmt.Sprintf("; busy, it said: %s", s.Note)
	}
}
