package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// pageSpark is how much of the depths the page of a channel shows at most.
const pageSpark = 30

// detailLines are the page of one channel, from where it was scrolled to.
func (m topModel) detailLines() []string {
	lines := m.page()
	room := m.bodyHeight()
	from := max(0, min(m.scroll, len(lines)-room))
	lines = lines[from:]
	if more := len(lines) - room; more > 0 {
		lines = append(lines[:room-1], m.marks.cut(
			fmt.Sprintf("%c %d more lines: down", m.marks.ellipsis, more+1), m.width))
	}
	return lines
}

// page is everything about the chosen channel, in lines that fit.
func (m topModel) page() []string {
	rows := m.shown()
	if len(rows) == 0 {
		return nil
	}
	var lines []string
	for _, text := range rows[m.at(rows)].page(m.marks) {
		for _, line := range m.marks.wrap(text, m.width) {
			if strings.HasPrefix(text, "! ") {
				line = styleBad.Render(line)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// page is everything about one channel.
func (r topRow) page(marks topMarks) []string {
	v := &r.view
	lines := []string{r.name() + ": " + v.state}
	if v.reason != "" {
		lines[0] += ", " + v.reason
	}
	if v.err != nil {
		return append(lines, "! "+oneLine(v.err))
	}
	s := v.stats
	lines = append(lines,
		describe(v.options()),
		fmt.Sprintf("depth %d of %d slots, arena %s of %s", s.Depth, s.Slots,
			humanize.IBytes(s.ArenaUsed), humanize.IBytes(s.ArenaBytes)),
		fmt.Sprintf("sent %s (%s/s), received %s (%s/s)", humanize.Comma(int64(sentOf(s))),
			r.rateText(r.sent), humanize.Comma(int64(s.Received)), r.rateText(r.received)),
		"depth so far "+marks.spark(r.depths, pageSpark),
		"")
	for _, t := range v.troubles() {
		lines = append(lines, "! "+t.What, "    "+t.Remedy)
	}
	lines = append(lines, fmt.Sprintf("participants: %d", len(v.participants)))
	for _, p := range v.participants {
		lines = append(lines, "  "+p.String(), fmt.Sprintf("      since %s, %s messages, %s "+
			"waits, %s sleeps", humanize.Time(p.Since), humanize.Comma(int64(p.Messages)),
			humanize.Comma(int64(p.Waits)), humanize.Comma(int64(p.Parks))))
	}
	if len(v.history) > 0 {
		lines = append(lines, "history")
	}
	for _, t := range v.history {
		lines = append(lines, fmt.Sprintf("  %s  %s to %s, %s, by pid %d (%s)",
			t.At.Format(time.TimeOnly), t.From.State(), t.Word.State(), t.Reason, t.By.PID,
			t.By.Comm))
	}
	return lines
}
