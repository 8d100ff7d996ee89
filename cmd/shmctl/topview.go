package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
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

// highEnough is the height from which the trouble of the chosen channel has its lines.
const (
	highEnough   = 8
	troubleLines = 2
)

// bodyHeight is how many lines lie between those of the head and of the foot.
func (m topModel) bodyHeight() int {
	if !m.detail && m.height >= highEnough {
		return m.height - 2 - troubleLines
	}
	return m.height - 2
}

// lines are what is on the screen, as many as it is high.
func (m topModel) lines() []string {
	body := m.tableLines
	if m.detail {
		body = m.detailLines
	}
	lines := append([]string{styleHead.Render(m.marks.cut(m.headLine(), m.width))}, body()...)
	for len(lines) <= m.bodyHeight() {
		lines = append(lines, "")
	}
	if !m.detail && m.height >= highEnough {
		lines = append(lines, m.troubleLines()...)
	}
	return append(lines, m.marks.cut(m.footLine(), m.width))
}

// troubleLines say what is wrong with the chosen channel.
func (m topModel) troubleLines() []string {
	lines := make([]string, troubleLines)
	rows := m.shown()
	if len(rows) == 0 {
		return lines
	}
	text := rows[m.at(rows)].trouble()
	if text == "" {
		return lines
	}
	all := m.marks.wrap("! "+text, m.width)
	copy(lines, all)
	if last := troubleLines - 1; len(all) > troubleLines {
		rest := strings.Fields(strings.Join(all[last:], " "))
		lines[last] = m.marks.cut("  "+strings.Join(rest, " "), m.width)
	}
	for i, line := range lines {
		lines[i] = styleBad.Render(line)
	}
	return lines
}

func (m topModel) headLine() string {
	dir := m.app.segmentDir()
	if dir == "" {
		dir = "/dev/shm"
	}
	rows := m.shown()
	troubled := 0
	for _, r := range rows {
		if r.trouble() != "" {
			troubled++
		}
	}
	count := fmt.Sprintf("%d channels", len(rows))
	if len(rows) == 1 {
		count = "1 channel"
	}
	if from, to := m.window(m.at(rows), len(rows)); to-from < len(rows) && !m.detail {
		count = fmt.Sprintf("%d to %d of %s", from+1, to, count)
	}
	text := fmt.Sprintf("shmctl top - %s, %d with trouble, each %s, by %s", count, troubled,
		m.o.interval, m.o.sort)
	if m.o.filter != "" {
		text += ", filter " + m.o.filter
	}
	return text + ", in " + dir
}

// Keys that the last line tells of, the most needed first.
var (
	topTableKeys = []string{
		"q quit", "enter details", "/ filter", "s sort", "d drain", "r recover", "up/down choose",
	}
	topPageKeys = []string{"q quit", "esc back", "d drain", "r recover", "up/down scroll"}
)

func (m topModel) footLine() string {
	switch {
	case m.typing:
		return m.marks.fit([]string{
			"filter: " + m.o.filter + "_", "enter keeps it",
			"esc clears it",
		}, m.width)
	case m.asking == "drain":
		return m.question("y: yes, other keys: no", "It seals the channel for all senders.")
	case m.asking != "":
		return m.question("y: yes, other keys: no", "")
	case m.working != "":
		return m.working + " ..."
	case m.notice != "":
		return m.notice
	case m.err != nil:
		return oneLine(m.err)
	case m.detail:
		return m.marks.fit(topPageKeys, m.width)
	}
	return m.marks.fit(topTableKeys, m.width)
}

// question asks for consent. The answers are always seen; what is too long is the name.
func (m topModel) question(answers, why string) string {
	if why != "" {
		why = " " + why
	}
	rest := utf8.RuneCountInString(m.asking + " ?  " + answers)
	const leastOfName = 16
	if room := m.width - rest - len(why); room < min(leastOfName, len(m.about)) {
		why = ""
	}
	name := m.marks.cut(m.about, max(1, m.width-rest-len(why)))
	return fmt.Sprintf("%s %s?%s  %s", m.asking, name, why, answers)
}
