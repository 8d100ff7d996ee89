package layout

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Encode returns the header page with its checksum.
func (h *Header) Encode() []byte {
	page := make([]byte, PageSize)
	h.Checksum = 0
	mustEncode(page, h)
	h.Checksum = xxhash.Sum64(page[:PageSize-8])
	binary.LittleEndian.PutUint64(page[PageSize-8:], h.Checksum)
	return page
}

func mustEncode(page []byte, h *Header) {
	if _, err := binary.Encode(page, binary.LittleEndian, h); err != nil {
		panic(err) // the struct has a fixed size; only a wrong edit of it gets here
	}
}

// A HeaderError says which check of a header failed. Foreign is true if the bytes
// are whole but belong to another layout, and false if they are damaged or no
// segment at all.
type HeaderError struct {
	Foreign bool
	Text    string
}

// Error implements error.
func (e *HeaderError) Error() string { return e.Text }

// Unwrap makes every HeaderError an ErrInvalid.
func (e *HeaderError) Unwrap() error { return ErrInvalid }

// Decode reads a header page and checks it in a fixed order: magic, version,
// size, lock offset, checksum, fingerprint, feature words, reserved bytes,
// geometry. fileSize is the size of the file in bytes. Nothing of the result is
// to be believed if it returns an error, except Version and TotalSize of a
// Foreign one.
func Decode(page []byte, fileSize uint64) (Header, Geometry, error) {
	var h Header
	if len(page) < PageSize || fileSize < PageSize {
		return h, Geometry{}, &HeaderError{
			Text: fmt.Sprintf("file of %d bytes is too small for a segment", fileSize),
		}
	}
	page = page[:PageSize]
	if _, err := binary.Decode(page, binary.LittleEndian, &h); err != nil {
		return h, Geometry{}, &HeaderError{Text: err.Error()}
	}
	if err := h.check(page, fileSize); err != nil {
		return h, Geometry{}, err
	}
	g, err := NewGeometry(h.params())
	if err != nil {
		return h, Geometry{}, &HeaderError{Text: err.Error()}
	}
	if g.TotalSize != h.TotalSize {
		return h, Geometry{}, &HeaderError{
			Text: fmt.Sprintf("header says %d bytes, its geometry needs %d",
				h.TotalSize, g.TotalSize),
		}
	}
	return h, g, nil
}

func (h *Header) check(page []byte, fileSize uint64) error {
	bad := func(format string, args ...any) error {
		return &HeaderError{Text: fmt.Sprintf(format, args...)}
	}
	foreign := func(format string, args ...any) error {
		return &HeaderError{Foreign: true, Text: fmt.Sprintf(format, args...)}
	}
	switch {
	case h.Magic != Magic:
		return bad("magic is %#x, not that of a segment (%#x)", h.Magic, uint64(Magic))
	case h.Version != Version:
		return foreign("layout version %d, this program speaks %d: use the program that created it",
			h.Version, Version)
	case h.TotalSize != fileSize:
		return bad("header says %d bytes, the file has %d", h.TotalSize, fileSize)
	case h.Checksum != xxhash.Sum64(page[:PageSize-8]):
		return bad("header checksum is %#x, its bytes give %#x",
			h.Checksum, xxhash.Sum64(page[:PageSize-8]))
	case h.LockBase != LockBase:
		return foreign("lock offset %#x, this program locks at %#x", h.LockBase, uint64(LockBase))
	case h.Fingerprint != Fingerprint:
		return foreign("layout fingerprint %#x, this program has %#x",
			h.Fingerprint, uint64(Fingerprint))
	case h.Incompat != 0:
		return foreign("unknown incompatible features %#x", h.Incompat)
	case h.Reserved0 != 0 || h.Reserved1 != 0 || h.Reserved2 != [PageSize - 176]byte{}:
		return bad("reserved header bytes are not zero")
	}
	return nil
}

func (h *Header) params() Params {
	return Params{
		Kind: h.Kind, RingKind: h.RingKind, SlotCount: h.SlotCount, SlotSize: h.SlotSize,
		MaxParticipants: h.MaxParticipants, ArenaSize: h.ArenaSize, Options: h.Options,
	}
}

// NewHeader returns a header for geometry g; the caller fills in who and when.
func NewHeader(g Geometry) Header {
	return Header{
		Magic: Magic, Version: Version, TotalSize: g.TotalSize, LockBase: LockBase,
		Fingerprint: Fingerprint,
		Kind:        g.Kind, RingKind: g.RingKind, SlotCount: g.SlotCount, SlotSize: g.SlotSize,
		MaxParticipants: g.MaxParticipants, ArenaSize: g.ArenaSize, Options: g.Options,
	}
}
