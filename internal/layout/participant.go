package layout

import "sync/atomic"

// A Role says what a place is used for.
type Role uint32

// Roles of participants.
const (
	RoleNone Role = iota
	RoleReceiver
	RoleSender
	RoleController
	RoleMember // of an event: signals and waits
)

// String returns the role as the documentation spells it.
func (r Role) String() string {
	switch r {
	case RoleNone:
		return "none"
	case RoleReceiver:
		return "receiver"
	case RoleSender:
		return "sender"
	case RoleController:
		return "controller"
	case RoleMember:
		return "member"
	}
	return "unknown"
}

// Places with a fixed role. All other places go to senders of an MPSC channel
// and to controllers.
const (
	PlaceReceiver = 0
	PlaceSender   = 1 // SPSC only
	PlaceFree     = 2 // first place of no fixed role
)

// Participant is one row of the participant table. A row belongs to whoever holds
// the lock byte of its place; the second half is written by that owner at speed,
// the first half rarely.
type Participant struct {
	Claim      atomic.Uint64    `doc:"claim number; zero: settled and free"`
	Who        Identity         `doc:"the holder, since when"`
	Dead       atomic.Uint64    `doc:"claim number of the last holder that died here"`
	DeadPID    atomic.Uint32    `doc:"its pid"`
	DeadRole   atomic.Uint32    `doc:"its role"`
	DeadNs     atomic.Int64     `doc:"when its death was settled, Unix nanoseconds"`
	BusyNs     atomic.Int64     `doc:"busy since, Unix nanoseconds; zero not busy"`
	BusyMaxNs  atomic.Int64     `doc:"how long the holder expects to be busy"`
	Closing    atomic.Uint32    `doc:"1: closed, but leases or messages are still held"`
	Held       atomic.Uint32    `doc:"leases or messages held now"`
	_          [24]byte         // reserved, zero
	Intent     atomic.Uint64    `doc:"slots being reserved or filled; see package ring"`
	Messages   atomic.Uint64    `doc:"messages sent or received under this claim"`
	Bytes      atomic.Uint64    `doc:"payload bytes of those"`
	Waits      atomic.Uint64    `doc:"calls that found nothing and waited"`
	Parks      atomic.Uint64    `doc:"sleeps in the kernel"`
	Wakes      atomic.Uint64    `doc:"wake system calls made"`
	ProgressNs atomic.Int64     `doc:"last progress, Unix nanoseconds, lags by up to 256 messages"`
	WaitNs     atomic.Int64     `doc:"waiting since, Unix nanoseconds; zero not waiting"`
	WaitFor    atomic.Uint32    `doc:"a Wait kind"`
	_          [4]byte          // reserved, zero
	BusyNote   [7]atomic.Uint64 `doc:"what the holder is busy with"`
}

// What a participant is waiting for, in Participant.WaitFor.
const (
	WaitNothing uint32 = iota
	WaitData
	WaitSpace
	WaitHole
	WaitDrain
	WaitState
)

// Death is one row of the log of deaths. Claim number c is at c mod DeathCount,
// so that writing it twice, by two who settle the same place, changes nothing.
type Death struct {
	Claim atomic.Uint64 `doc:"claim number of the dead; zero: empty"`
	Who   Identity      `doc:"the dead; WhenNs is when its death was settled"`
	_     [8]byte       // reserved, zero
}
