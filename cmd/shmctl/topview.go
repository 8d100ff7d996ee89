package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/dustin/go-humanize"
)

// Styles of top. What the terminal cannot show is left out by bubbletea.
var (
	styleHead   = lipgloss.NewStyle().Bold(true)
	styleChosen = lipgloss.NewStyle().Reverse(true)
	styleBad    = lipgloss.NewStyle().Foreground(lipgloss.Red)
)

// View implements tea.Model.
func (m topModel) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	return v
}

// lines are what is on the screen, at most its height.
func (m topModel) lines() []string {
	head := styleHead.Render(cut(m.headLine(), m.width))
	var body []string
	if m.detail {
		body = m.detailLines()
	} else {
		body = m.tableLines()
	}
	body = body[:min(len(body), m.height-2)]
	for len(body) < m.height-2 {
		body = append(body, "")
	}
	return append(append([]string{head}, body...), cut(m.footLine(), m.width))
}

func (m topModel) headLine() string {
	dir := m.app.segmentDir()
	if dir == "" {
		dir = "/dev/shm"
	}
	troubled := 0
	for _, r := range m.rows {
		if r.trouble() != "" {
			troubled++
		}
	}
	text := fmt.Sprintf("shmctl top - %d channels, %d with trouble, each %s, by %s", len(m.rows),
		troubled, m.o.interval, m.o.sort)
	if m.o.filter != "" {
		text += ", filter " + m.o.filter
	}
	return text + ", in " + dir
}

func (m topModel) footLine() string {
	switch {
	case m.typing:
		return "filter: " + m.o.filter + "_   enter keeps it, esc clears it"
	case m.asking == "drain":
		return "drain " + m.chosen + "? It seals the channel for all senders.   y: yes"
	case m.asking != "":
		return m.asking + " " + m.chosen + "?   y: yes"
	case m.working != "":
		return m.working + " ..."
	case m.notice != "":
		return m.notice
	case m.err != nil:
		return oneLine(m.err)
	case m.detail:
		return "esc back  up/down scroll  d drain  r recover  q quit"
	}
	return "enter details  s sort  / filter  d drain  r recover  q quit"
}

// topFormat has the columns of the table, in 80 with the mark before.
const topFormat = "%s%s %-10s %11s %-10s %7s %7s %3s %2s %s"

// tableLines are the headings and the channels around the cursor.
func (m topModel) tableLines() []string {
	const fixed = 64 // of topFormat without the name
	nameWidth := max(8, min(40, m.width-fixed))
	pad := func(name string) string {
		return cut(name, nameWidth) +
			strings.Repeat(" ", max(0, nameWidth-utf8.RuneCountInString(name)))
	}
	lines := []string{styleHead.Render(cut(fmt.Sprintf(topFormat, " ", pad("NAME"), "STATE",
		"DEPTH", "HISTORY", "SENT/S", "RECV/S", "TX", "RX", "WAITS"), m.width))}
	rows := m.shown()
	at := m.at(rows)
	room := max(1, m.height-3)
	from := max(0, min(at-room/2, len(rows)-room))
	for i := from; i < min(len(rows), from+room); i++ {
		r := rows[i]
		mark, depth := " ", ""
		if r.trouble() != "" {
			mark = "!"
		}
		if r.view.err == nil {
			depth = fmt.Sprintf("%d/%d", r.view.stats.Depth, r.view.stats.Slots)
		}
		line := cut(fmt.Sprintf(topFormat, mark, pad(r.name()), r.view.state, depth,
			spark(r.depths), r.rateText(r.sent), r.rateText(r.received),
			fmt.Sprint(r.view.stats.Senders), fmt.Sprint(r.view.stats.Receivers), r.waits()),
			m.width)
		switch {
		case i == at:
			line = styleChosen.Render(line)
		case mark != " ":
			line = styleBad.Render(line)
		}
		lines = append(lines, line)
	}
	if len(rows) == 0 {
		lines = append(lines, "no channels")
	}
	return lines
}

// detailLines are the page of one channel, from where it was scrolled to.
func (m topModel) detailLines() []string {
	rows := m.shown()
	if len(rows) == 0 {
		return nil
	}
	r := rows[m.at(rows)]
	lines := r.page()
	lines = lines[max(0, min(m.scroll, len(lines)-(m.height-2))):]
	for i, line := range lines {
		lines[i] = cut(line, m.width)
		if strings.HasPrefix(line, "! ") {
			lines[i] = styleBad.Render(lines[i])
		}
	}
	return lines
}

// page is everything about one channel that fits lines.
func (r topRow) page() []string {
	v := &r.view
	lines := []string{fmt.Sprintf("%s: %s  %s", r.name(), v.state, v.reason)}
	if v.err != nil {
		return append(lines, "! "+oneLine(v.err))
	}
	s := v.stats
	lines = append(lines,
		describe(v.options()),
		fmt.Sprintf("depth %d of %d slots %s  arena %s of %s", s.Depth, s.Slots, spark(r.depths),
			humanize.IBytes(s.ArenaUsed), humanize.IBytes(s.ArenaBytes)),
		fmt.Sprintf("sent %s (%s/s)  received %s (%s/s)", humanize.Comma(int64(s.Sent)),
			r.rateText(r.sent), humanize.Comma(int64(s.Received)), r.rateText(r.received)),
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
		lines = append(lines, fmt.Sprintf("  %s  %s to %s  %s, by pid %d (%s)",
			t.At.Format(time.TimeOnly), t.From.State(), t.Word.State(), t.Reason, t.By.PID,
			t.By.Comm))
	}
	return lines
}

// cut shortens a text to a width. Its letters are all one cell wide, but for those that a
// peer may have written, which are shown as question marks.
func cut(text string, width int) string {
	out := make([]rune, 0, width)
	for _, r := range text {
		if r < ' ' || r == 0x7f || r > '~' && r != 'µ' && (r < '▁' || r > '█') {
			r = '?'
		}
		if len(out) == width {
			if width > 0 {
				out[width-1] = '~'
			}
			break
		}
		out = append(out, r)
	}
	return string(out)
}
