package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgressInAFileIsALineNowAndThen(t *testing.T) {
	var b strings.Builder
	p := newProgress(&b)
	require.False(t, p.terminal)
	p.show(func() string { return "1 of 9" })
	p.show(func() string { require.Fail(t, "not wanted so soon"); return "" })
	p.last = p.last.Add(-p.every)
	p.show(func() string { return "2 of 9" })
	p.finish()
	assert.Equal(t, "1 of 9\n2 of 9\n", b.String())
}

func TestProgressOnATerminalIsWrittenOverAndCleared(t *testing.T) {
	var b strings.Builder
	p := progress{w: &b, terminal: true, every: time.Hour}
	p.finish()
	assert.Empty(t, b.String())
	p.show(func() string { return "1 of 9" })
	p.last = time.Time{}
	p.show(func() string { return "2 of 9" })
	p.finish()
	assert.Equal(t, "\r\x1b[K1 of 9\r\x1b[K2 of 9\r\x1b[K", b.String())
}
