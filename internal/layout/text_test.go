package layout

import (
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestTextReadsBackWhatFits(t *testing.T) {
	words := make([]atomic.Uint64, 2)
	for _, s := range []string{"", "a", "sixteen bytes ok", "grüße", "with spaces"} {
		StoreText(words, s)
		assert.Equal(t, s, LoadText(words))
	}
}

func TestTextOverwritesALongerOne(t *testing.T) {
	words := make([]atomic.Uint64, 2)
	StoreText(words, "sixteen bytes ok")
	StoreText(words, "x")
	assert.Equal(t, "x", LoadText(words))
	assert.Zero(t, words[1].Load(), "the rest is zero, not old text")
}

func TestTextIsCutAtARune(t *testing.T) {
	words := make([]atomic.Uint64, 1)
	for s, want := range map[string]string{
		"123456789":            "12345678",
		"1234567ü":             "1234567",
		"123456ü!":             "123456ü",
		"12345€€":              "12345€",
		"123456€":              "123456",
		"12345😀":               "12345",
		"1234😀5":               "1234😀",
		"\U0010ffff\U0010ffff": "\uFFFD\uFFFD", // fits, but is not printable
	} {
		StoreText(words, s)
		assert.Equal(t, want, LoadText(words), "%q", s)
	}
}

func TestTextThatIsNoTextIsCutWithoutBeingLost(t *testing.T) {
	words := make([]atomic.Uint64, 1)
	StoreText(words, "\xffreadable and long")
	assert.Equal(t, "\uFFFDreadabl", LoadText(words))
	StoreText(words, strings.Repeat("\x80", 20))
	assert.Equal(t, strings.Repeat("\uFFFD", 8), LoadText(words))
}

func TestTextWithoutWords(t *testing.T) {
	StoreText(nil, "something")
	StoreText(nil, "\x80")
	assert.Empty(t, LoadText(nil))
}

func TestTextFromAPeerCannotDriveATerminal(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b":            "a",
		"\x00":              "",
		"\x1b[31mred":       "\uFFFD[31mred",
		"a\nb\rc\td":        "a\uFFFDb\uFFFDc\uFFFDd",
		"evil\u202etxt":     "evil\uFFFDtxt",
		"\xc3":              "\uFFFD",
		"\x7f\u0085":        "\uFFFD\uFFFD",
		"no-break\u00a0one": "no-break\uFFFDone",
	} {
		got := CleanText([]byte(in))
		assert.Equal(t, want, got, "%q", in)
		assert.True(t, utf8.ValidString(got))
	}
	assert.Empty(t, CleanText(nil))
}
