package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
)

func TestLayoutPageIsCurrent(t *testing.T) {
	want, err := render()
	require.NoError(t, err)
	have, err := os.ReadFile("../../../docs/LAYOUT.md")
	require.NoError(t, err)
	require.Equal(t, string(want), string(have), "run go generate ./internal/layout")
}

func TestLayoutPageNamesEveryField(t *testing.T) {
	page, err := render()
	require.NoError(t, err)
	for _, table := range layout.Tables() {
		for _, f := range table.Fields {
			assert.Contains(t, string(page), "`"+f.Name+"`", table.Name)
		}
	}
}

func TestLayoutPageTextAgreesWithTheConstants(t *testing.T) {
	page, err := render()
	require.NoError(t, err)
	text := string(page)
	require.Equal(t, 16, layout.LockParticipant)
	require.Equal(t, 0, layout.LockAttached)
	require.Equal(t, 1, layout.LockControl)
	require.Equal(t, 64, layout.ArenaUnit)
	require.Equal(t, 128, layout.Line)
	require.Equal(t, 4096, layout.PageSize)
	assert.NotContains(t, text, "%!", "a verb without its value")
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, len(line), 161, line)
	}
}
