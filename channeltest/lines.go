package channeltest

import (
	"bytes"
	"sync"
)

// lines is a queue of lines between one who writes bytes and those who read lines. The
// writer never waits, so that a process is not held up by a test that does not listen.
type lines struct {
	mu      sync.Mutex
	changed *sync.Cond
	whole   []string
	rest    []byte // begin of a line
	closed  bool
}

func newLines() *lines {
	l := &lines{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			break
		}
		l.whole = append(l.whole, string(line))
		l.rest = rest
	}
	l.changed.Broadcast()
	return len(p), nil
}

// close says that nothing more comes. A last line needs no end.
func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.whole = append(l.whole, string(l.rest))
		l.rest = nil
	}
	l.closed = true
	l.changed.Broadcast()
}

// next waits for a line; false: there is none any more.
func (l *lines) next() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.whole) == 0 && !l.closed {
		l.changed.Wait()
	}
	if len(l.whole) == 0 {
		return "", false
	}
	line := l.whole[0]
	l.whole = l.whole[1:]
	return line, true
}
