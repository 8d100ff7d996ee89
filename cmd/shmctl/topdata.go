package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"shmring/channel"
)

// columns are what top sorts by.
type columns []string

var topSorts = columns{"name", "depth", "sent", "received", "trouble"}

func (c columns) index(name string) int { return slices.Index(c, name) }

// A topRow is one channel as top shows it.
type topRow struct {
	view     view
	sent     float64 // messages a second; below zero: not known yet
	received float64
	depths   []float64 // shares of the slots, the latest last
}

// depthsKept is how many depths the history of a channel has.
const depthsKept = pageSpark

// A topSampler looks at all channels, again and again. It belongs to one goroutine.
type topSampler struct {
	last map[string]topRow // by instance
	at   time.Time
}

// sample looks once. Rates are over the time since the last look.
func (s *topSampler) sample(ctx context.Context, a *app) ([]topRow, error) {
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	seconds := now.Sub(s.at).Seconds()
	fresh := make(map[string]topRow, len(entries))
	rows := make([]topRow, 0, len(entries))
	for _, e := range entries {
		if isEvent(e) {
			continue
		}
		v := a.look(ctx, e)
		if errors.Is(v.err, fs.ErrNotExist) {
			continue // it went meanwhile
		}
		r := topRow{view: v, sent: -1, received: -1}
		key := e.Name + " " + instanceText(e.Header.Instance)
		if before, ok := s.last[key]; ok && v.err == nil && seconds > 0 {
			r.sent = perSecond(sentOf(v.stats), sentOf(before.view.stats), seconds)
			r.received = perSecond(v.stats.Received, before.view.stats.Received, seconds)
			r.depths = before.depths
		}
		if v.err == nil && v.stats.Slots > 0 {
			share := float64(v.stats.Depth) / float64(v.stats.Slots)
			r.depths = append(slices.Clone(r.depths), share)
			r.depths = r.depths[max(0, len(r.depths)-depthsKept):]
		}
		fresh[key] = r
		rows = append(rows, r)
	}
	s.last, s.at = fresh, now
	return rows, nil
}

// sentOf is how many messages were sent. A sender tells its count only now and then; what is
// in the ring or behind it was sent, too.
func sentOf(s channel.Stats) uint64 { return max(s.Sent, s.Received+s.Depth) }

// perSecond is a rate. A killed sender takes its last counts along, so that a counter may
// go back.
func perSecond(now, before uint64, seconds float64) float64 {
	if now < before {
		return 0
	}
	return float64(now-before) / seconds
}

// topArrange filters and sorts: by name upwards, by a number downwards, by
// trouble those that have it first.
func topArrange(rows []topRow, sort, filter string) []topRow {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r topRow) bool {
		return !strings.Contains(r.name(), filter)
	})
	slices.SortStableFunc(rows, func(a, b topRow) int {
		order := 0
		switch sort {
		case "depth":
			order = cmp.Compare(b.view.stats.Depth, a.view.stats.Depth)
		case "sent":
			order = cmp.Compare(b.sent, a.sent)
		case "received":
			order = cmp.Compare(b.received, a.received)
		case "trouble":
			order = cmp.Compare(min(1, len(b.trouble())), min(1, len(a.trouble())))
		}
		return cmp.Or(order, cmp.Compare(a.name(), b.name()))
	})
	return rows
}

func (r topRow) name() string { return r.view.entry.Name }

func (r topRow) depthText() string {
	if r.view.err != nil {
		return ""
	}
	return fmt.Sprint(r.view.stats.Depth)
}

func (r topRow) slotsText() string {
	if r.view.err != nil {
		return ""
	}
	return fmt.Sprint(r.view.stats.Slots)
}

func (r topRow) rateText(rate float64) string {
	if rate < 0 {
		return ""
	}
	return shortRate(rate)
}

func (r topRow) receiverText() string {
	if p, ok := r.view.receiver(); ok {
		return fmt.Sprintf("pid %d", p.PID)
	}
	return ""
}

// waits lists what participants wait for, each once.
func (r topRow) waits() string {
	var words []string
	for _, p := range r.view.participants {
		if p.Waiting != "" && !slices.Contains(words, p.Waiting) {
			words = append(words, p.Waiting)
		}
	}
	return strings.Join(words, ",")
}

// trouble is the first one, or why it is no channel.
func (r topRow) trouble() string {
	if r.view.err != nil {
		return oneLine(r.view.err)
	}
	if found := r.view.troubles(); len(found) > 0 {
		return found[0].What
	}
	return ""
}
