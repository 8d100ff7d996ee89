package main

import (
	"bytes"
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// A topModel is what top shows and what its keys do. The program of bubbletea calls it from
// one goroutine.
type topModel struct {
	ctx     context.Context // bubbletea hands none to its commands
	app     *app
	o       topOptions
	sampler *topSampler
	width   int
	height  int
	rows    []topRow // all of the last look
	err     error    // of the last look
	chosen  string   // name of the channel under the cursor
	detail  bool     // it is shown alone
	scroll  int      // of its page
	typing  bool     // the filter is being typed
	asking  string   // the verb that waits for yes
	about   string   // the channel that it would be done to
	working string   // the verb at work
	notice  string   // what came of it
	marks   topMarks
}

func newTopModel(ctx context.Context, a *app, o topOptions) topModel {
	return topModel{
		ctx: ctx, app: a, o: o, sampler: &topSampler{}, width: 80, height: 24,
		marks: topMarksFor(a.getenv),
	}
}

// Messages of the model to itself.
type (
	topTick    struct{}
	topSampled struct {
		rows []topRow
		err  error
	}
	topDone struct{ text string }
)

// Init implements tea.Model.
func (m topModel) Init() tea.Cmd { return m.look() }

// look looks at all channels, outside of the goroutine that draws. One look is under way at
// a time: the next begins when its result was taken.
func (m topModel) look() tea.Cmd {
	return func() tea.Msg {
		rows, err := m.sampler.sample(m.ctx, m.app)
		return topSampled{rows, err}
	}
}

// Update implements tea.Model.
func (m topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 20), max(msg.Height, 6)
	case topSampled:
		m.rows, m.err = msg.rows, msg.err
		m.keepChosen()
		return m, tea.Tick(m.o.interval, func(time.Time) tea.Msg { return topTick{} })
	case topTick:
		return m, m.look()
	case topDone:
		m.working, m.notice = "", msg.text
	case tea.KeyPressMsg:
		return m.key(msg)
	}
	return m, nil
}

// shown are the rows in their order.
func (m topModel) shown() []topRow { return topArrange(m.rows, m.o.sort, m.o.filter) }

// at returns where the chosen channel is in rows; the first one if it is gone.
func (m topModel) at(rows []topRow) int {
	for i, r := range rows {
		if r.name() == m.chosen {
			return i
		}
	}
	return 0
}

// choose moves the cursor.
func (m *topModel) choose(by int) {
	rows := m.shown()
	if len(rows) == 0 {
		m.chosen, m.detail = "", false
		return
	}
	m.chosen = rows[max(0, min(m.at(rows)+by, len(rows)-1))].name()
}

// keepChosen sees after a look whether the chosen channel is still there. What was asked about
// one that went is not done to another.
func (m *topModel) keepChosen() {
	gone := m.chosen
	m.choose(0)
	if gone == "" || gone == m.chosen {
		return
	}
	if m.detail || m.asking != "" {
		m.notice = gone + " is gone"
	}
	m.detail, m.asking = false, ""
}

// key does what a key asks for.
func (m topModel) key(msg tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	key := msg.String()
	if key == "ctrl+c" {
		return m, tea.Quit
	}
	switch {
	case m.typing:
		m.typeFilter(key, msg.Key().Text)
		return m, nil
	case m.asking != "":
		verb := m.asking
		m.asking = ""
		if key != "y" {
			m.notice = verb + " " + m.about + ": not done"
			return m, nil
		}
		m.working = verb + " " + m.about
		return m, m.run(verb, m.about)
	}
	m.notice = ""
	switch key {
	case "q":
		return m, tea.Quit
	case "ctrl+z":
		return m, tea.Suspend
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-m.height / 2)
	case "pgdown":
		m.move(m.height / 2)
	case "enter":
		m.detail, m.scroll = m.chosen != "", 0
	case "esc":
		if !m.detail {
			m.o.filter = ""
		}
		m.detail = false
	case "s":
		m.o.sort = topSorts[(topSorts.index(m.o.sort)+1)%len(topSorts)]
	case "/":
		m.typing, m.detail = true, false
	case "d", "r":
		if m.chosen != "" && m.working == "" {
			m.asking = map[string]string{"d": "drain", "r": "recover"}[key]
			m.about = m.chosen
		}
	}
	return m, nil
}

// move moves the cursor, or the page of one channel.
func (m *topModel) move(by int) {
	if m.detail {
		m.scroll = max(0, min(m.scroll+by, len(m.page())-m.bodyHeight()))
		return
	}
	m.choose(by)
}

// typeFilter edits the filter.
func (m *topModel) typeFilter(key, text string) {
	switch key {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.o.filter = false, ""
	case "backspace":
		m.o.filter = m.o.filter[:max(0, len(m.o.filter)-1)]
	default:
		if printable(text) {
			m.o.filter += text
		}
	}
	m.choose(0)
}

// run runs a verb as on the command line, and tells its last line.
func (m topModel) run(verb, name string) tea.Cmd {
	return func() tea.Msg {
		var out bytes.Buffer
		b := &app{
			stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: m.app.getenv,
		}
		args := []string{verb, name, "--timeout", "10s"}
		if dir := m.app.segmentDir(); dir != "" {
			args = append(args, "--dir", dir)
		}
		b.execute(m.ctx, args) // its code is said in words
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		return topDone{lines[len(lines)-1]}
	}
}
