package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestATableIsAligned(t *testing.T) {
	tab := newTable("NAME", ">SLOTS", "NOTE")
	assert.True(t, tab.empty())
	tab.row("q", "256", "über")
	tab.row("a-long-name", "4096", "")
	tab.indent = "  "
	assert.False(t, tab.empty())
	assert.Equal(t, ""+
		"  NAME         SLOTS  NOTE\n"+
		"  q              256  über\n"+
		"  a-long-name   4096  -\n", tab.String())
}
