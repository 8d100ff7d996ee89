package history

import (
	"encoding/binary"
	"fmt"
)

// Limits of what an identity holds.
const (
	MaxLength  = 1<<lengthBits - 1 // bytes of a message
	MaxStreams = 1 << streamBits
	MaxSeq     = 1<<seqBits - 1

	lengthBits = 24
	seqBits    = 26
	streamBits = 14
)

// IdentityBytes is how long a message must be to say who it is. A shorter one says its
// length only.
const IdentityBytes = 8

// A Key names a message: the life of a sender that sent it, and its number there.
type Key uint64

// MakeKey returns the key of message seq of a stream.
func MakeKey(stream, seq int) Key {
	if uint(stream) >= MaxStreams || uint(seq) > MaxSeq {
		panic(fmt.Sprintf("history: no key for message %d of stream %d", seq, stream))
	}
	return Key(stream)<<seqBits | Key(seq)
}

// Stream returns which life of a sender sent the message.
func (k Key) Stream() int { return int(k >> seqBits) }

// Seq returns the message's number in its stream.
func (k Key) Seq() int { return int(k & MaxSeq) }

// String returns the key for people.
func (k Key) String() string { return fmt.Sprintf("%d/%d", k.Stream(), k.Seq()) }

// Fill makes b the message k: every byte follows from the key and the length.
func Fill(b []byte, k Key) {
	if len(b) > MaxLength {
		panic(fmt.Sprintf("history: a message of %d bytes", len(b)))
	}
	if len(b) < IdentityBytes {
		fillRest(b, uint64(len(b)))
		return
	}
	id := uint64(k)<<lengthBits | uint64(len(b))
	binary.LittleEndian.PutUint64(b, id)
	fillRest(b[IdentityBytes:], id)
}

// Verify checks every byte of a received message and returns its key; ok is false if it
// is not what Fill made. Of a message that is too short for an identity, key is zero and
// named false.
func Verify(b []byte) (k Key, named, ok bool) {
	if len(b) < IdentityBytes {
		return 0, false, isRest(b, uint64(len(b)))
	}
	id := binary.LittleEndian.Uint64(b)
	k = Key(id >> lengthBits)
	return k, true, id&MaxLength == uint64(len(b)) && isRest(b[IdentityBytes:], id)
}

func fillRest(b []byte, seed uint64) {
	var last [8]byte
	for ; len(b) >= 8; b = b[8:] {
		seed += golden
		binary.LittleEndian.PutUint64(b, mix(seed))
	}
	binary.LittleEndian.PutUint64(last[:], mix(seed+golden))
	copy(b, last[:])
}

func isRest(b []byte, seed uint64) bool {
	var last [8]byte
	for ; len(b) >= 8; b = b[8:] {
		seed += golden
		if binary.LittleEndian.Uint64(b) != mix(seed) {
			return false
		}
	}
	binary.LittleEndian.PutUint64(last[:], mix(seed+golden))
	return string(b) == string(last[:len(b)])
}

const golden = 0x9e3779b97f4a7c15

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
