package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"shmring/channel"
)

// Payloads. Each names its sender and its number, and the rest follows from the number,
// so that a lost, doubled, reordered, torn or stale message is found.

const (
	wordBytes = 8
	smallSize = 32 // bytes of a small message: four words

	senderShift = 56 // a number carries its sender in the top byte
)

// Odd constants, so that no two words of a message agree for many numbers.
const (
	mixA = 0x9e3779b97f4a7c15
	mixB = 0xc2b2ae3d27d4eb4f
	mixC = 0x165667b19e3779f9
)

// fill32 writes small message n.
func fill32(b []byte, n uint64) {
	_ = b[smallSize-1]
	binary.LittleEndian.PutUint64(b[0:], n)
	binary.LittleEndian.PutUint64(b[8:], n^mixA)
	binary.LittleEndian.PutUint64(b[16:], n^mixB)
	binary.LittleEndian.PutUint64(b[24:], n^mixC)
}

// check32 reports whether b is small message n.
func check32(b []byte, n uint64) bool {
	if len(b) != smallSize {
		return false
	}
	return (binary.LittleEndian.Uint64(b[0:])^n)|
		(binary.LittleEndian.Uint64(b[8:])^n^mixA)|
		(binary.LittleEndian.Uint64(b[16:])^n^mixB)|
		(binary.LittleEndian.Uint64(b[24:])^n^mixC) == 0
}

// fill8 writes a message of a single word.
func fill8(b []byte, n uint64) { binary.LittleEndian.PutUint64(b, n^mixA) }

// check8 reports whether b is the single-word message n.
func check8(b []byte, n uint64) bool {
	return len(b) == wordBytes && binary.LittleEndian.Uint64(b) == n^mixA
}

// Long messages repeat a page of random-looking words. Which word of it they start with
// depends on the number. The receiver compares with that page, which stays in its first-level
// cache: what is measured is the traffic of the message itself.
const patternBytes = 4096

var pattern = sync.OnceValue(func() []byte {
	b := make([]byte, 2*patternBytes)
	for i := 0; i < len(b); i += wordBytes {
		x := uint64(i%patternBytes+1) * mixA
		binary.LittleEndian.PutUint64(b[i:], x^x>>29)
	}
	return b
})

// page returns the page that message n repeats.
func page(n uint64) []byte {
	at := n % (patternBytes / wordBytes) * wordBytes
	return pattern()[at : at+patternBytes]
}

// source is what long messages are copied from: a message of the longest size so far, in all
// its beginnings.
var source []byte

// long returns the bytes of message n, which it keeps: a sender copies from memory of its own,
// as the bare copy does.
func long(size int, n uint64) []byte {
	if len(source) < size+patternBytes {
		source = bytes.Repeat(pattern()[:patternBytes], size/patternBytes+2)
	}
	at := int(n % (patternBytes / wordBytes) * wordBytes)
	return source[at : at+size]
}

// fillLong writes message n into all of b, in place.
func fillLong(b []byte, n uint64) {
	if len(b) == wordBytes {
		fill8(b, n)
		return
	}
	channel.Copy(b, long(len(b), n))
	binary.LittleEndian.PutUint64(b, n)
}

// checkLong reports whether b is message n; it looks at every byte.
func checkLong(b []byte, n uint64) bool {
	if len(b) <= wordBytes {
		return check8(b, n)
	}
	if binary.LittleEndian.Uint64(b) != n {
		return false
	}
	p := page(n)
	first := min(len(b), len(p))
	if !bytes.Equal(b[wordBytes:first], p[wordBytes:first]) {
		return false
	}
	for rest := b[first:]; len(rest) > 0; {
		k := min(len(rest), len(p))
		if !bytes.Equal(rest[:k], p[:k]) {
			return false
		}
		rest = rest[k:]
	}
	return true
}

// fillEnds numbers a message that was filled before: its first and its last word.
func fillEnds(b []byte, n uint64) {
	binary.LittleEndian.PutUint64(b, n)
	binary.LittleEndian.PutUint64(b[len(b)-wordBytes:], n^mixA)
}

// checkEnds reports whether both ends of b say that it is message n.
func checkEnds(b []byte, n uint64) bool {
	return binary.LittleEndian.Uint64(b) == n &&
		binary.LittleEndian.Uint64(b[len(b)-wordBytes:]) == n^mixA
}

// wrong describes a message that is not the one that was due.
func wrong(b []byte, n uint64) error {
	return fmt.Errorf("message %#x expected, got %d bytes: %x", n, len(b), b[:min(len(b), 64)])
}
