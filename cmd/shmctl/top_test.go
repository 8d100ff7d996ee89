package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/state"
)

// topOf is a model that has seen n channels, the odd ones without a receiver.
func topOf(t *testing.T, n int) topModel {
	t.Helper()
	m := newTopModel(t.Context(), newApp(), topOptions{sort: "name"})
	rows := make([]topRow, n)
	for i := range rows {
		v := view{state: "ACTIVE", stats: channel.Stats{
			State: state.Active, Depth: uint64(i), Slots: 64, Sent: 1e9,
		}}
		v.entry.Name = fmt.Sprintf("channel-%02d", i)
		if i%2 == 0 {
			v.participants = []channel.Participant{{
				Role: layout.RoleReceiver, Alive: true, Waiting: "data", PID: 4711, Who: "pid 4711",
			}}
		}
		rows[i] = topRow{
			view: v, sent: float64(i * 1000), received: 3, depths: []float64{0, 0.5, 1},
		}
	}
	return press(t, m, topSampled{rows: rows})
}

// press gives messages or keys to a model.
func press(t *testing.T, m topModel, msgs ...tea.Msg) topModel {
	t.Helper()
	for _, msg := range msgs {
		if key, ok := msg.(string); ok {
			msg = keyOf(key)
		}
		next, _ := m.Update(msg)
		var ok bool
		m, ok = next.(topModel)
		require.True(t, ok)
	}
	return m
}

func keyOf(name string) tea.KeyPressMsg {
	special := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown,
		"backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown,
	}
	if code, ok := special[name]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	return tea.KeyPressMsg{Code: rune(name[0]), Text: name}
}

func screen(m topModel) string { return ansi.Strip(strings.Join(m.lines(), "\n")) }

func TestTopFitsTheTerminal(t *testing.T) {
	for _, size := range []tea.WindowSizeMsg{
		{Width: 80, Height: 24},
		{Width: 200, Height: 60},
		{Width: 1, Height: 1},
		{Width: 40, Height: 10},
	} {
		for _, n := range []int{0, 1, 3, 100} {
			m := press(t, topOf(t, n), size)
			for _, keys := range [][]tea.Msg{
				nil, {"pgdown", "pgdown"}, {"enter"}, {"down"}, {"esc", "/"},
			} {
				m = press(t, m, keys...)
				lines := strings.Split(screen(m), "\n")
				assert.Len(t, lines, m.height)
				for _, line := range lines {
					assert.LessOrEqual(t, utf8.RuneCountInString(line), m.width, line)
				}
			}
		}
	}
}

func TestTopShowsChannelsAndWhatIsWrong(t *testing.T) {
	text := screen(topOf(t, 4))
	assert.Contains(t, text, "4 channels, 2 with trouble")
	assert.Contains(t, text, "\n> channel-00")
	assert.Contains(t, text, "\n !channel-03")
	assert.Regexp(t, `channel-02 +ACTIVE +2/64 ▁▅█ +2k +3 +0 +0 data`, text)
}

func TestTopSortsFiltersAndShowsOne(t *testing.T) {
	m := press(t, topOf(t, 20), "s")
	assert.Equal(t, "depth", m.o.sort)
	assert.Equal(t, "channel-19", m.shown()[0].name())
	m = press(t, m, "s", "s", "s")
	assert.Equal(t, "trouble", m.o.sort)
	assert.Equal(t, "channel-01", m.shown()[0].name())
	m = press(t, m, "s")
	assert.Equal(t, "name", m.o.sort)
	m = press(t, m, "/", "1", "3", "x", "backspace", "enter")
	assert.Equal(t, "13", m.o.filter)
	assert.Len(t, m.shown(), 1)
	m = press(t, m, "enter")
	text := screen(m)
	assert.Contains(t, text, "channel-13: ACTIVE")
	assert.Contains(t, text, "! no receiver is attached; 13 of 64 slots in use")
	assert.Contains(t, text, "    start one; shmctl peek channel-13")
	m = press(t, m, "esc", "esc")
	assert.Len(t, m.shown(), 20)
	assert.Equal(t, "channel-13", m.chosen, "the cursor stays on its channel")
	m = press(t, m, "up", "k", "down")
	assert.Equal(t, "channel-12", m.chosen)
}

func TestTopActsOnlyAfterASecondKey(t *testing.T) {
	m := press(t, topOf(t, 2), "d")
	assert.Contains(t, screen(m), "drain channel-00? It seals")
	m = press(t, m, "n")
	assert.Contains(t, screen(m), "drain channel-00: not done")
	assert.Empty(t, m.working)
	m = press(t, m, "r")
	next, cmd := m.Update(keyOf("y"))
	assert.NotNil(t, cmd)
	m, ours := next.(topModel)
	require.True(t, ours)
	m = press(t, m, "d")
	assert.Contains(t, screen(m), "recover channel-00 ...", "one at a time")
	m = press(t, m, topDone{"it was well"})
	assert.Contains(t, screen(m), "it was well")
	_, cmd = m.Update(keyOf("q"))
	assert.IsType(t, tea.QuitMsg{}, cmd())
}

func TestTopDoesNothingToAnotherChannelThanTheOneItAskedAbout(t *testing.T) {
	m := press(t, topOf(t, 3), "down", "d")
	assert.Contains(t, screen(m), "drain channel-01?")
	m = press(t, m, topSampled{rows: []topRow{m.rows[0], m.rows[2]}})
	assert.Contains(t, screen(m), "channel-01 is gone")
	next, cmd := m.Update(keyOf("y"))
	assert.Nil(t, cmd)
	m, ours := next.(topModel)
	require.True(t, ours)
	assert.Empty(t, m.working)
	m = press(t, m, "enter", topSampled{rows: m.rows[1:]})
	assert.Contains(t, screen(m), "NAME", "the page of one that went is left")
}

func TestTopAlwaysShowsTheAnswersOfItsQuestion(t *testing.T) {
	for _, width := range []int{40, 60, 80, 200} {
		m := topOf(t, 1)
		m.rows[0].view.entry.Name = strings.Repeat("long-", 30)
		m = press(t, m, topSampled{rows: m.rows}, tea.WindowSizeMsg{Width: width, Height: 24})
		for _, key := range []string{"d", "r"} {
			m = press(t, m, "n", key)
			assert.True(t, strings.HasSuffix(screen(m), "y: yes, other keys: no"), screen(m))
		}
	}
}

func TestTopLeavesOutColumnsRatherThanCutThem(t *testing.T) {
	heads := func(width int) string {
		m := press(t, topOf(t, 2), tea.WindowSizeMsg{Width: width, Height: 24})
		return strings.Join(strings.Fields(strings.Split(screen(m), "\n")[1]), " ")
	}
	assert.Equal(t, "NAME STATE DEPTH", heads(40))
	assert.Equal(t, "NAME STATE DEPTH SENT/S RECV/S WAITS", heads(60))
	assert.Equal(t, "NAME STATE DEPTH HISTORY SENT/S RECV/S TX RX WAITS", heads(80))
	assert.Equal(t, "NAME STATE DEPTH HISTORY SENT/S RECV/S TX RX WAITS TROUBLE", heads(140))
}

func TestTopScrollsAPageToItsEndAndBack(t *testing.T) {
	m := press(t, topOf(t, 3), tea.WindowSizeMsg{Width: 40, Height: 8}, "down", "enter")
	top := screen(m)
	assert.Contains(t, top, "more lines: down")
	for range 50 {
		m = press(t, m, "down")
	}
	assert.NotContains(t, screen(m), "more lines")
	assert.Contains(t, screen(m), "participants: 0")
	end := m.scroll
	m = press(t, m, "up")
	assert.Equal(t, end-1, m.scroll, "not further than its end")
	m = press(t, m, "pgdown", "pgdown")
	for range 50 {
		m = press(t, m, "up")
	}
	assert.Equal(t, top, screen(m))
}

func TestTopHasLettersOfASCIIWhereTheTerminalHasNoOthers(t *testing.T) {
	for _, env := range []map[string]string{
		{"TERM": "linux"},
		{"TERM": "dumb", "LANG": "C.UTF-8"},
		{"LANG": "C"},
		{"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"},
	} {
		marks := topMarksFor(func(name string) string { return env[name] })
		assert.Equal(t, "_=#", marks.spark([]float64{0, 0.5, 1}, 8), env)
		assert.Equal(t, "ab~", marks.cut("abcd", 3), env)
	}
	marks := topMarksFor(func(name string) string {
		return map[string]string{"LC_CTYPE": "en_GB.utf8"}[name]
	})
	assert.Equal(t, "▅█", marks.spark([]float64{0, 0.5, 1}, 2))
}

func TestLongTextsAreWrappedBetweenWords(t *testing.T) {
	marks := topMarksFor(func(string) string { return "" })
	assert.Equal(t, []string{"  one two", "    three", "    four"},
		marks.wrap("  one two three four", 10))
	assert.Equal(t, []string{"a", "  unbreak…"}, marks.wrap("a unbreakable", 10))
	assert.Equal(t, "a  b  …", marks.fit([]string{"a", "b", "cccccc"}, 9))
	assert.Equal(t, "a  b  cccc", marks.fit([]string{"a", "b", "cccc"}, 10))
}

func TestTextsOfPeersCannotMoveTheCursor(t *testing.T) {
	marks := topMarksFor(func(string) string { return "" })
	assert.Equal(t, "a?[2Jb?", marks.cut("a\x1b[2Jb\u202e", 80))
	assert.Equal(t, "ab…", marks.cut("abcd", 3))
	assert.Empty(t, marks.cut("abcd", 0))
}

func TestRatesOfASecondLook(t *testing.T) {
	assert.InDelta(t, 50.0, perSecond(200, 100, 2), 0)
	assert.Zero(t, perSecond(100, 200, 2))
	assert.Equal(t, "1.5k", shortRate(1500))
	assert.Equal(t, "12.3", shortRate(12.34))
	assert.Equal(t, "2M", shortRate(2e6))
	assert.EqualValues(t, 7, sentOf(channel.Stats{Sent: 1, Received: 4, Depth: 3}))
	assert.EqualValues(t, 9, sentOf(channel.Stats{Sent: 9, Received: 4, Depth: 3}))
}
