package main

import (
	"fmt"
	"io"
	"sync"
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

// A progresses tells of several things at once: on a terminal of the one that moved last,
// else a line from time to time for each.
type progresses struct {
	w    io.Writer
	mu   sync.Mutex
	bars map[string]*progress
}

func newProgresses(w io.Writer) *progresses {
	return &progresses{w: w, bars: make(map[string]*progress)}
}

// show is progress.show for the thing of that name. It may be called by several goroutines.
func (p *progresses) show(name string, text func() string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := name
	if isTerminal(p.w) {
		key = "" // one line for all
	}
	bar := p.bars[key]
	if bar == nil {
		fresh := newProgress(p.w)
		fresh.last = time.Now() // what is over at once needs no progress
		bar = &fresh
		p.bars[key] = bar
	}
	bar.show(func() string { return name + ": " + text() })
}

// finish clears the line.
func (p *progresses) finish() {
	for _, bar := range p.bars {
		bar.finish()
	}
}
