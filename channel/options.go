package channel

import (
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"shmring/internal/layout"
)

// A Kind says how many senders a channel may have at a time.
type Kind uint32

// Kinds of channel.
const (
	MPSC Kind = iota // any number of senders, one receiver
	SPSC             // one sender, one receiver
)

// String returns the kind as the documentation spells it.
func (k Kind) String() string {
	if k == SPSC {
		return "SPSC"
	}
	return "MPSC"
}

// A Lifetime says when the last clean detach removes the segment.
type Lifetime uint32

// Lifetimes.
const (
	// Ephemeral segments go with their last clean detach, unless messages are
	// unread.
	Ephemeral Lifetime = iota
	// Persistent segments stay until Shutdown, Remove or shmctl rm.
	Persistent
)

// Defaults of Options.
const (
	DefaultSlots           = 256
	DefaultSlotSize        = 64      // bytes
	DefaultArenaBytes      = 1 << 20 // the largest message is half of it
	DefaultMaxParticipants = 64
	// NoArena in Options.ArenaBytes leaves the arena out: messages must fit a slot.
	NoArena = -1
)

// Options describe a channel to create. The zero value is a good channel.
type Options struct {
	Kind            Kind        // MPSC if zero
	Slots           int         // power of two up to 4 Mi; 0: DefaultSlots
	SlotSize        int         // bytes, power of two, 16 to 4096; 0: DefaultSlotSize
	ArenaBytes      int         // power of two up to 256 MiB; 0: DefaultArenaBytes; NoArena
	MaxParticipants int         // 4 to 256; 0: DefaultMaxParticipants
	Mode            fs.FileMode // permission bits; 0: 0600
	Lifetime        Lifetime    // Ephemeral if zero
	Checksums       bool        // every message carries an xxhash64, checked on receipt
	Timestamps      bool        // every message carries its time of acceptance
	Nameless        bool        // never linked under a name; hand it over by Channel.File
	OpenOptions
}

// OpenOptions describe how to attach.
type OpenOptions struct {
	Dir         string        // directory; empty: $SHMRING_DIR, else /dev/shm
	Wait        bool          // Open waits until the name exists
	ReadOnly    bool          // observe only: no participant, mapping read-only
	AllowUIDs   []uint32      // owners to trust besides our own uid
	Guard       bool          // the data path turns memory faults into ErrFault (about 8 ns)
	Spin        time.Duration // longest spin before a park; 0: adaptive; negative: none
	Logger      *slog.Logger  // rare events off the hot path; must not use the channel; nil: silent
	RequirePeer bool          // Send fails at once, not only when full, if the receiver died
	StallAfter  time.Duration // a peer without progress this long is called stuck; 0: 5 s
}

// DefaultStallAfter is used where OpenOptions.StallAfter is zero.
const DefaultStallAfter = 5 * time.Second

func (o OpenOptions) stallAfter() time.Duration {
	if o.StallAfter <= 0 {
		return DefaultStallAfter
	}
	return o.StallAfter
}

func pick(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

// params turns options into a geometry request and checks it.
func (o Options) params() (layout.Params, error) {
	arena := pick(o.ArenaBytes, DefaultArenaBytes)
	if arena == NoArena {
		arena = 0
	}
	slots, size := pick(o.Slots, DefaultSlots), pick(o.SlotSize, DefaultSlotSize)
	members := pick(o.MaxParticipants, DefaultMaxParticipants)
	if slots < 0 || size < 0 || arena < 0 || members < 0 {
		return layout.Params{}, fmt.Errorf("%w: negative size: %d slots of %d bytes, arena %d, "+
			"%d participants", layout.ErrInvalid, slots, size, arena, members)
	}
	p := layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: uint64(slots),
		SlotSize: uint32(min(size, layout.MaxSlotSize+1)), ArenaSize: uint64(arena),
		MaxParticipants: uint32(min(members, layout.MaxParticipants+1)),
	}
	if o.Kind == SPSC {
		p.RingKind = layout.RingSPSC
	} else if o.Kind != MPSC {
		return p, fmt.Errorf("%w: channel kind %d, want MPSC or SPSC", layout.ErrInvalid, o.Kind)
	}
	for _, opt := range []struct {
		on  bool
		bit uint32
	}{
		{o.Lifetime == Persistent, layout.OptPersistent},
		{o.Checksums, layout.OptChecksums},
		{o.Timestamps, layout.OptTimestamps},
		{o.Nameless, layout.OptNameless},
	} {
		if opt.on {
			p.Options |= opt.bit
		}
	}
	if o.Mode&^fs.ModePerm != 0 {
		return p, fmt.Errorf("%w: mode %v has more than permission bits", layout.ErrInvalid, o.Mode)
	}
	_, err := layout.NewGeometry(p)
	return p, err
}
