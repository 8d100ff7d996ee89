package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A topColumn is a column of the table besides the name.
type topColumn struct {
	head  string
	width int
	right bool // aligned
	cell  func(topRow) string
}

// Widths of the table.
const (
	leastName = 12 // as long as there are columns to leave out
	mostName  = 40
	leastText = 24  // of a trouble
	wideTable = 110 // from here on there is room for more history
)

// topColumns are the columns, and in which order a narrow terminal goes without them.
func (m topModel) topColumns() (all []topColumn, leave []string) {
	history := 8
	if m.width >= wideTable {
		history = 20
	}
	return []topColumn{
		{"STATE", 10, false, func(r topRow) string { return r.view.state }},
		{"DEPTH", 11, true, topRow.fillText},
		{"HISTORY", history, false, func(r topRow) string {
			return m.marks.spark(r.depths, history)
		}},
		{"SENT/S", 7, true, func(r topRow) string { return r.rateText(r.sent) }},
		{"RECV/S", 7, true, func(r topRow) string { return r.rateText(r.received) }},
		{"TX", 3, true, func(r topRow) string { return r.countText(r.view.stats.Senders) }},
		{"RX", 2, true, func(r topRow) string { return r.countText(r.view.stats.Receivers) }},
		{"WAITS", 6, false, topRow.waits},
	}, []string{"HISTORY", "TX", "RX", "WAITS", "RECV/S", "SENT/S", "DEPTH", "STATE"}
}

// layout chooses the columns for the width of the terminal, and how wide names are. What is
// left over goes to the last column, or to one for the troubles.
func (m topModel) layout(rows []topRow) (cols []topColumn, nameWidth int) {
	cols, leave := m.topColumns()
	longest := len("NAME")
	for _, r := range rows {
		longest = max(longest, utf8.RuneCountInString(r.name()))
	}
	const marks = 2
	room := func() int {
		left := m.width - marks
		for _, c := range cols {
			left -= c.width + 1
		}
		return left
	}
	for _, head := range leave {
		if room() >= leastName {
			break
		}
		for i, c := range cols {
			if c.head == head {
				cols = append(cols[:i], cols[i+1:]...)
				break
			}
		}
	}
	nameWidth = max(1, min(longest, mostName, room()))
	left := room() - nameWidth
	if len(cols) == 0 || left <= 0 {
		return cols, nameWidth
	}
	last := &cols[len(cols)-1]
	if last.head != "WAITS" {
		return cols, nameWidth
	}
	const waits = 11 // space, data
	more := min(left, waits-last.width)
	last.width += more
	if left -= more + 1; left >= leastText {
		cols = append(cols, topColumn{"TROUBLE", left, false, topRow.trouble})
	}
	return cols, nameWidth
}

// line is a row of the table: two marks, the name and the cells.
func (m topModel) line(
	mark, name string, nameWidth int, cols []topColumn, cell func(topColumn) string,
) string {
	var b strings.Builder
	b.WriteString(mark)
	b.WriteString(fill(m.marks.cut(name, nameWidth), nameWidth, false))
	for _, c := range cols {
		b.WriteString(" " + fill(m.marks.cut(cell(c), c.width), c.width, c.right))
	}
	return m.marks.cut(strings.TrimRight(b.String(), " "), m.width)
}

// fill makes a text as wide as its column.
func fill(text string, width int, right bool) string {
	blanks := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
	if right {
		return blanks + text
	}
	return text + blanks
}

// window is which of n rows are on the screen, so that the chosen one is among them.
func (m topModel) window(at, n int) (from, to int) {
	room := max(1, m.bodyHeight()-1)
	from = max(0, min(at-room/2, n-room))
	return from, min(n, from+room)
}

// tableLines are the headings and the channels around the cursor.
func (m topModel) tableLines() []string {
	rows := m.shown()
	cols, nameWidth := m.layout(rows)
	head := func(c topColumn) string { return c.head }
	lines := []string{styleHead.Render(m.line("  ", "NAME", nameWidth, cols, head))}
	at := m.at(rows)
	from, to := m.window(at, len(rows))
	for i, r := range rows[from:to] {
		mark := "  "
		if r.trouble() != "" {
			mark = " !"
		}
		if from+i == at {
			mark = ">" + mark[1:]
		}
		line := m.line(mark, r.name(), nameWidth, cols,
			func(c topColumn) string { return c.cell(r) })
		switch {
		case from+i == at:
			line = styleChosen.Render(fill(line, m.width, false))
		case r.trouble() != "":
			line = styleBad.Render(line)
		}
		lines = append(lines, line)
	}
	switch {
	case len(rows) > 0:
	case m.o.filter != "" && len(m.rows) > 0:
		lines = append(lines, m.marks.cut("  no channel has that in its name", m.width))
	default:
		lines = append(lines, "  no channels")
	}
	return lines
}

// fillText is how full a channel is.
func (r topRow) fillText() string {
	if r.view.err != nil {
		return ""
	}
	const widest = 11
	s := r.view.stats
	text := fmt.Sprintf("%d/%d", s.Depth, s.Slots)
	if len(text) > widest {
		text = shortRate(float64(s.Depth)) + "/" + shortRate(float64(s.Slots))
	}
	return text
}

// countText is a number of participants, if it is known.
func (r topRow) countText(n int) string {
	if r.view.err != nil {
		return ""
	}
	return fmt.Sprint(n)
}
