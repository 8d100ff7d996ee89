package layout

import (
	"encoding/binary"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// StoreText writes s into words, cut to fit at a rune boundary and padded with
// zeroes. Readers that look while it is written may see a mixture of old and new.
func StoreText(words []atomic.Uint64, s string) {
	size := len(words) * 8
	if len(s) > size {
		s = s[:runeStart(s, size)]
	}
	buf := make([]byte, size)
	copy(buf, s)
	for i := range words {
		words[i].Store(binary.LittleEndian.Uint64(buf[i*8:]))
	}
}

// runeStart returns where the rune begins that holds byte at of s. A longer run of
// bytes that begin no rune is no text, and is cut anywhere.
func runeStart(s string, at int) int {
	for back := range min(utf8.UTFMax, at+1) {
		if utf8.RuneStart(s[at-back]) {
			return at - back
		}
	}
	return at
}

// LoadText reads the text in words up to the first zero byte. What is not
// printable UTF-8 is replaced: the text came from another process and goes to
// somebody's terminal.
func LoadText(words []atomic.Uint64) string {
	buf := make([]byte, 0, len(words)*8)
	for i := range words {
		buf = binary.LittleEndian.AppendUint64(buf, words[i].Load())
	}
	return CleanText(buf)
}

// CleanText returns buf up to its first zero byte with everything that is not
// printable replaced.
func CleanText(buf []byte) string {
	s, _, _ := strings.Cut(string(buf), "\x00")
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
