package layout

// Magic is the first eight bytes of every segment of any layout version.
const Magic = 0x0a676e69726d6873 // "shmring\n", little-endian

// Version is the layout version that this package reads and writes.
const Version = 1

// LockBase is the file offset of the first lock byte. Lock bytes lie far beyond
// the data: a lock needs no byte to exist at its offset.
const LockBase = 1 << 62

// Offsets of the lock bytes from LockBase.
const (
	LockAttached    = 0  // shared while attached read-write; exclusive to unlink
	LockControl     = 1  // exclusive during a control operation
	LockParticipant = 16 // + place: exclusive while the place is held
)

// Kinds of segment.
const (
	KindChannel = 1
	KindEvent   = 2
)

// Kinds of ring.
const (
	RingNone = 0
	RingSPSC = 1
	RingMPSC = 2
)

// Option bits of a segment. An unknown bit makes a header invalid.
const (
	OptPersistent = 1 << iota // the last clean detach keeps the file
	OptChecksums              // every message carries its xxhash64
	OptTimestamps             // every message carries its time of acceptance
	OptNameless               // never linked under a name

	optKnown = OptPersistent | OptChecksums | OptTimestamps | OptNameless
)

// Header is the first page of a segment. It is complete before the segment gets
// its name and is never written afterwards. Magic, Version, TotalSize and LockBase
// keep their offsets in every layout version, so that any program can tell what it
// has in front of it and whether somebody is attached.
type Header struct {
	Magic           uint64   `doc:"the bytes \"shmring\\n\""`
	Version         uint32   `doc:"layout version"`
	Reserved0       uint32   `doc:"zero"`
	TotalSize       uint64   `doc:"bytes of the whole file"`
	LockBase        uint64   `doc:"file offset of the lock bytes"`
	Fingerprint     uint64   `doc:"xxhash64 of the field table of the writer"`
	Compat          uint64   `doc:"features that a reader may ignore"`
	ROCompat        uint64   `doc:"features unknown to a reader: observe only"`
	Incompat        uint64   `doc:"features unknown to a reader: refuse"`
	Kind            uint32   `doc:"1 channel, 2 event"`
	RingKind        uint32   `doc:"0 none, 1 SPSC, 2 MPSC"`
	SlotCount       uint64   `doc:"slots, a power of two"`
	SlotSize        uint32   `doc:"bytes of a slot, a power of two, 16 to 4096"`
	MaxParticipants uint32   `doc:"rows of the participant table"`
	ArenaSize       uint64   `doc:"bytes of the arena, zero or a power of two"`
	Options         uint32   `doc:"bits: 1 persistent, 2 checksums, 4 timestamps, 8 nameless"`
	Reserved1       uint32   `doc:"zero"`
	Instance        [16]byte `doc:"random identity of this segment"`
	BootID          [16]byte `doc:"boot of the kernel that created it"`
	CreatedNs       int64    `doc:"creation time, Unix nanoseconds"`
	CreatorPID      uint32   `doc:"pid of the creator in its namespace, for people"`
	CreatorUID      uint32   `doc:"uid of the creator, for people"`
	CreatorComm     [16]byte `doc:"command name of the creator, for people"`

	Reserved2 [PageSize - 176]byte `doc:"zero"`

	Checksum uint64 `doc:"xxhash64 of all bytes before it"`
}

// PageSize is the granularity of the layout, whatever the kernel's page size.
const PageSize = 4096

// Limits of a segment's geometry.
const (
	MinSlotSize     = 16
	MaxSlotSize     = 4096
	MaxSlots        = 1 << 22
	ArenaUnit       = 64 // bytes; arena positions count units
	MinArena        = 4096
	MaxArena        = 256 << 20
	MaxParticipants = 256
	MinParticipants = 4
)
