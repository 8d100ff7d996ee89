package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"shmring/channel"
)

// lineChunk is how much input is asked for at a time.
const lineChunk = 256 << 10

// A lineReader cuts a stream into lines, as many at a time as have arrived: a line
// never waits for one that is not there yet.
type lineReader struct {
	r     io.Reader
	limit int    // longest line
	buf   []byte // buf[start:end] is read and not handed out
	start int
	end   int
	seen  int // buf[start:seen] has no newline
	count int // lines handed out
	lines [][]byte
	err   error // of the last read
}

func newLineReader(r io.Reader, limit int) *lineReader {
	return &lineReader{r: r, limit: limit, buf: make([]byte, lineChunk)}
}

// next returns the complete lines that are there, without their newlines, waiting for
// the first. They are valid until the next call. At the end of the input it returns
// the last line, if that has no newline, and then io.EOF.
func (l *lineReader) next() ([][]byte, error) {
	l.lines = l.lines[:0]
	for {
		l.cut()
		if len(l.lines) > 0 {
			l.count += len(l.lines)
			return l.lines, nil
		}
		if l.end-l.start > l.limit {
			return nil, fmt.Errorf("message %d: %w: at most %d bytes fit into this channel: "+
				"create it with a larger arena", l.count+1, channel.ErrTooBig, l.limit)
		}
		if l.err != nil {
			return l.last()
		}
		l.fill()
	}
}

// cut finds the lines in the buffer.
func (l *lineReader) cut() {
	for {
		i := bytes.IndexByte(l.buf[l.seen:l.end], '\n')
		if i < 0 {
			l.seen = l.end
			return
		}
		stop := l.seen + i
		l.lines = append(l.lines, l.buf[l.start:stop])
		l.start, l.seen = stop+1, stop+1
	}
}

// last returns what follows the last newline.
func (l *lineReader) last() ([][]byte, error) {
	if l.start == l.end || !errors.Is(l.err, io.EOF) {
		return nil, l.err
	}
	l.lines = append(l.lines, l.buf[l.start:l.end])
	l.start, l.seen = l.end, l.end
	l.count++
	return l.lines, nil
}

// fill reads once. The rest of a line moves to the front, and the buffer grows with a
// line that it cannot hold.
func (l *lineReader) fill() {
	if l.start > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.seen -= l.start
		l.end -= l.start
		l.start = 0
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	var n int
	n, l.err = l.r.Read(l.buf[l.end:])
	l.end += n
}
