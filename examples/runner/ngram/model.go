// Package ngram is a small language model: an n-gram model over bytes, with back-off.
//
// It is no neural network, and does not try to look like one. It has seen a text; to go on
// from a prompt, it looks for the places where the text has the last bytes of the prompt, and
// takes the byte behind one of them, chosen at random. Where the last seven bytes are not
// found often enough it backs off to six, and so on. A token is a byte.
//
// What matters here is that it is real, quick to build, and deterministic: the same text,
// prompt and seed give the same bytes in every process, so that what went through a server
// can be compared with what is generated in place.
package ngram

import (
	"hash/crc32"
	"slices"
)

const (
	// Order is how many bytes the model looks at to choose the next.
	Order = 7
	// enough is how often a context must have been seen to be trusted.
	enough = 4
)

// A Model is read-only: any number of goroutines may generate from it.
type Model struct {
	// grams has one entry for each byte of the text: the Order bytes before it, the nearest
	// first, in the upper bytes, and the byte itself in the lowest. It is sorted, so that all
	// places with the same last k bytes lie side by side, for every k.
	grams []uint64
	sum   uint32
}

// New builds the model of a text. It keeps no reference to it.
func New(text []byte) *Model {
	grams := make([]uint64, len(text))
	var c Context
	for i, b := range text {
		grams[i] = uint64(c) | uint64(b)
		c = c.Push(b)
	}
	slices.Sort(grams)
	return &Model{grams: grams, sum: crc32.ChecksumIEEE(text)}
}

// Sum tells models apart: it is a checksum of the text.
func (m *Model) Sum() uint32 { return m.sum }

// A Context is the last Order bytes of a text, the nearest in the uppermost byte. The lowest
// byte is zero.
type Context uint64

// Push returns the context behind one more byte.
func (c Context) Push(b byte) Context {
	return c>>8&^0xff | Context(b)<<56
}

// places returns which grams have the longest end of c that was seen often enough.
func (m *Model) places(c Context) []uint64 {
	from := m.grams
	for k := 1; k <= Order; k++ {
		shift := 64 - 8*k
		low := uint64(c) >> shift << shift
		i, _ := slices.BinarySearch(from, low)
		n := len(from) - i
		if high := low + 1<<shift; high != 0 {
			n, _ = slices.BinarySearch(from[i:], high)
		}
		if n < enough {
			break
		}
		from = from[i : i+n]
	}
	return from
}

// next chooses the byte behind c; r is the random number that chooses.
func (m *Model) next(c Context, r uint64) byte {
	from := m.places(c)
	if len(from) == 0 {
		return '\n'
	}
	return byte(from[r%uint64(len(from))])
}
