package measure

import (
	"bytes"
	"encoding/binary"
	"sync"

	"shmring/internal/bulk"
)

// Payloads. A message names its sender and its number, and carries a stamp, which is when
// it was sent or nothing; the rest follows from these. So a lost, doubled, reordered,
// torn and stale message is found.
const (
	SenderShift = 56 // a number carries its sender in the top byte
	MinSize     = 8  // bytes of the smallest message, which has no room for a stamp
	StampedSize = 24 // bytes of the smallest message with a stamp

	word    = 8
	mix     = 0x9e3779b97f4a7c15 // odd, so that no two numbers agree in many bits
	pattern = 4096               // bytes after which a long message repeats
)

// page has two pages of words that look random. Which word of the first a message begins
// with depends on its number. The page stays in the first-level cache of both sides, so what is
// measured is the traffic of the message itself.
var page = sync.OnceValue(func() []byte {
	b := make([]byte, 2*pattern)
	for i := 0; i < len(b); i += word {
		x := uint64(i%pattern+1) * mix
		binary.LittleEndian.PutUint64(b[i:], x^x>>29)
	}
	return b
})

func pageOf(n uint64) []byte {
	at := n % (pattern / word) * word
	return page()[at : at+pattern]
}

// Number returns the number of the n-th message of a sender.
func Number(sender, n uint64) uint64 { return sender<<SenderShift | n }

// Fill writes message n with a stamp into all of b, whose size is at least MinSize.
func Fill(b []byte, n uint64, stamp int64) {
	binary.LittleEndian.PutUint64(b, n)
	if len(b) < StampedSize {
		if rest := b[word:]; len(rest) > 0 {
			copy(rest, pageOf(n))
		}
		return
	}
	binary.LittleEndian.PutUint64(b[word:], uint64(stamp))
	binary.LittleEndian.PutUint64(b[2*word:], n^uint64(stamp)^mix)
	p := pageOf(n)
	for rest := b[StampedSize:]; len(rest) > 0; {
		rest = rest[bulk.Copy(rest, p):]
	}
}

// Peek returns the number and the stamp that b claims to have.
func Peek(b []byte) (n uint64, stamp int64) {
	if len(b) < MinSize {
		return 0, 0
	}
	n = binary.LittleEndian.Uint64(b)
	if len(b) >= StampedSize {
		stamp = int64(binary.LittleEndian.Uint64(b[word:]))
	}
	return n, stamp
}

// Sound reports whether b is message n of some stamp; it looks at every byte.
func Sound(b []byte, n uint64) bool {
	if len(b) < MinSize || binary.LittleEndian.Uint64(b) != n {
		return false
	}
	rest := b[word:]
	if len(b) >= StampedSize {
		stamp := binary.LittleEndian.Uint64(b[word:])
		if binary.LittleEndian.Uint64(b[2*word:]) != n^stamp^mix {
			return false
		}
		rest = b[StampedSize:]
	}
	p := pageOf(n)
	for len(rest) > 0 {
		k := min(len(rest), len(p))
		if !bytes.Equal(rest[:k], p[:k]) {
			return false
		}
		rest = rest[k:]
	}
	return true
}
