package ngram_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmring/examples/runner/ngram"
)

const text = "the ring is full and the ring is empty and the ring is sealed and the ring is " +
	"gone and the ring is full and the ring is empty and the ring is sealed and that was all\n"

func TestSamePromptAndSeedGiveTheSameBytes(t *testing.T) {
	a, b := ngram.New([]byte(text)), ngram.New([]byte(text))
	assert.Equal(t, a.Sum(), b.Sum())
	want := a.Generate("the ", 7, 500)
	assert.Equal(t, want, b.Generate("the ", 7, 500))
	assert.NotEqual(t, want, a.Generate("the ", 8, 500))
	assert.NotEqual(t, want, a.Generate("thy ", 7, 500))
	s := b.Begin("the ", 7)
	for i, w := range want {
		require.Equal(t, w, s.Next(), "byte %d", i)
	}
}

func TestNextByteWasSeenBehindItsContext(t *testing.T) {
	m := ngram.New([]byte(strings.Repeat(text, 4))) // often enough to be trusted
	out := "the " + string(m.Generate("the ", 1, 200))
	for i := range len(out) - 2 {
		assert.Contains(t, text, out[i:i+2], "at %d of %q", i, out)
	}
}

func TestUnknownContextBacksOff(t *testing.T) {
	m := ngram.New([]byte(text))
	for _, b := range m.Generate("\xff\xff\xff\xff\xff\xff\xff", 1, 100) {
		assert.Contains(t, text, string(rune(b)))
	}
	assert.Equal(t, []byte("\n\n"), ngram.New(nil).Generate("x", 1, 2))
}

func TestCorpusIsTheCommentsOfADirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("a.go", "// Licence.\n\npackage a\n\n// One.\n// Two.\nvar x int // no\n\n// Naïve.\n")
	write("b/b.go", "package b\n\t// within\n// Three.\n")
	write("a_test.go", "package a\n// Test.\n")
	write("testdata/x.go", "package x\n// Data.\n")
	got, err := ngram.LoadCorpus(dir, 0)
	require.NoError(t, err)
	assert.Equal(t, "One.\nTwo.\n\nThree.\n", string(got))
	got, err = ngram.LoadCorpus(dir, 4)
	require.NoError(t, err)
	assert.Equal(t, "One.", string(got))
}

func TestMissingCorpusIsSaidWithItsRemedy(t *testing.T) {
	_, err := ngram.LoadCorpus(filepath.Join(t.TempDir(), "none"), 0)
	require.ErrorIs(t, err, ngram.ErrNoCorpus)
	require.ErrorContains(t, err, "-corpus")
	_, err = ngram.LoadCorpus(t.TempDir(), 0)
	require.ErrorIs(t, err, ngram.ErrNoCorpus)
	t.Setenv("GOROOT", "")
	t.Setenv("PATH", "")
	_, err = ngram.LoadCorpus("", 0)
	require.ErrorIs(t, err, ngram.ErrNoCorpus)
	require.ErrorContains(t, err, "GOROOT")
}

func TestStandardLibraryMakesAModelOfPlainText(t *testing.T) {
	text, err := ngram.LoadCorpus("", 0)
	require.NoError(t, err)
	require.Len(t, text, ngram.DefaultCorpusBytes)
	out := string(ngram.New(text).Generate("// Package ", 1, 2000))
	for _, r := range out {
		assert.True(t, r == '\n' || r >= ' ' && r <= '~', "%q", r)
	}
	assert.Contains(t, out, " the ")
	t.Logf("%s", out[:400])
}

func TestLikeTextsHaveLikeEmbeddings(t *testing.T) {
	embed := func(text string) []float32 {
		v := make([]float32, 256)
		ngram.Embed(v, text)
		return v
	}
	likeness := func(a, b string) (sum float32) {
		for i, x := range embed(a) {
			sum += x * embed(b)[i]
		}
		return sum
	}
	assert.InDelta(t, 1, likeness("the ring is full", "the ring is full"), 1e-5)
	near := likeness("the ring is full", "the ring is empty")
	far := likeness("the ring is full", "quick brown foxes jump")
	assert.Greater(t, near, far)
	assert.Equal(t, make([]float32, 256), embed(""))
	assert.NotEqual(t, embed("a"), embed("b"))
}
