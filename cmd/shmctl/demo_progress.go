package main

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
)

// demoProgress tells people how far the demo is: on a terminal one line that is written
// over, else a line from time to time.
type demoProgress struct {
	w        io.Writer
	terminal bool
	total    int
	every    time.Duration
	began    time.Time
	last     time.Time
	shown    bool
}

func newDemoProgress(a *app, o demoOptions, total int) demoProgress {
	p := demoProgress{
		w: a.stderr, terminal: isTerminal(a.stderr), total: total, every: time.Second,
		began: time.Now(),
	}
	p.last = p.began
	if p.terminal {
		p.every = 100 * time.Millisecond
	}
	if !o.json {
		fmt.Fprintf(p.w, "%d sender processes, %s files\n", //nolint:errcheck // only a notice
			o.senders, humanize.Comma(int64(total)))
	}
	return p
}

func (p *demoProgress) show(r *demoResult) {
	now := time.Now()
	if now.Sub(p.last) < p.every {
		return
	}
	p.last = now
	seconds := now.Sub(p.began).Seconds()
	text := fmt.Sprintf("%d of %d files, %s, %.2f GB/s", r.Files, p.total,
		humanize.Bytes(r.Bytes), float64(r.Bytes)/1e9/seconds)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", text) //nolint:errcheck // only a notice
		p.shown = true
		return
	}
	fmt.Fprintln(p.w, text) //nolint:errcheck // only a notice
}

// finish clears the line.
func (p *demoProgress) finish() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K") //nolint:errcheck // only a notice
	}
}
