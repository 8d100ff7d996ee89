package main

import (
	"fmt"
	"io"
	"time"
)

// A progress tells people how far something is: on a terminal by one line that is
// written over, else by a line from time to time.
type progress struct {
	w        io.Writer
	terminal bool
	every    time.Duration
	last     time.Time
	shown    bool
}

func newProgress(w io.Writer) progress {
	p := progress{w: w, terminal: isTerminal(w), every: time.Second}
	if p.terminal {
		p.every = 100 * time.Millisecond
	}
	return p
}

// show shows what text returns, unless it did so just now.
func (p *progress) show(text func() string) {
	now := time.Now()
	if now.Sub(p.last) < p.every {
		return
	}
	p.last = now
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", text()) //nolint:errcheck // only a notice
		p.shown = true
		return
	}
	fmt.Fprintln(p.w, text()) //nolint:errcheck // only a notice
}

// finish clears the line.
func (p *progress) finish() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K") //nolint:errcheck // only a notice
	}
}
