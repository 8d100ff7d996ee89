package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/shmtest"
)

// allLines reads until the end and copies.
func allLines(t *testing.T, r io.Reader, limit int) []string {
	t.Helper()
	lines := newLineReader(r, limit)
	var all []string
	for {
		batch, err := lines.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		require.NotEmpty(t, batch)
		for _, line := range batch {
			all = append(all, string(line))
		}
	}
}

func TestLinesOfEveryShape(t *testing.T) {
	for text, want := range map[string][]string{
		"":            nil,
		"a":           {"a"},
		"a\n":         {"a"},
		"\n":          {""},
		"\n\n":        {"", ""},
		"a\n\nb":      {"a", "", "b"},
		"a\r\nb\x00c": {"a\r", "b\x00c"},
	} {
		assert.Equal(t, want, allLines(t, strings.NewReader(text), 100), "%q", text)
		one := iotest.OneByteReader(strings.NewReader(text))
		assert.Equal(t, want, allLines(t, one, 100), "%q byte by byte", text)
		late := iotest.DataErrReader(strings.NewReader(text))
		assert.Equal(t, want, allLines(t, late, 100), "%q with the end beside it", text)
	}
}

func TestLinesLongerThanTheBufferArriveWhole(t *testing.T) {
	rng, _ := shmtest.Rand(t)
	var want []string
	for range 40 {
		want = append(want, strings.Repeat("x", rng.IntN(3*lineChunk)))
	}
	r := iotest.HalfReader(strings.NewReader(strings.Join(want, "\n") + "\n"))
	got := allLines(t, r, 3*lineChunk)
	require.Len(t, got, len(want))
	for i := range want {
		assert.Len(t, got[i], len(want[i]))
	}
}

func TestALineDoesNotWaitForTheNextOne(t *testing.T) {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	lines := newLineReader(r, 100)
	for _, text := range []string{"one\n", "two\nthree\nfo", "ur\n"} {
		go func() { _, _ = io.WriteString(w, text) }() // returns once it was read
		got, err := lines.next()
		require.NoError(t, err, "the writer is still there and says nothing more")
		assert.Len(t, got, strings.Count(text, "\n"))
	}
}

func TestALineThatCanNeverFitIsRefusedBeforeItIsRead(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("short\n"), zeros{})
	lines := newLineReader(endless, 1000)
	batch, err := lines.next()
	require.NoError(t, err)
	assert.Equal(t, "short", string(bytes.Join(batch, nil)))
	_, err = lines.next()
	require.ErrorIs(t, err, channel.ErrTooBig)
	assert.ErrorContains(t, err, "message 2")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAFailedReadIsReportedAfterTheLinesBeforeIt(t *testing.T) {
	boom := errors.New("boom")
	lines := newLineReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(boom)), 100)
	batch, err := lines.next()
	require.NoError(t, err)
	assert.Len(t, batch, 1)
	_, err = lines.next()
	assert.ErrorIs(t, err, boom)
}
