// Package layout describes every byte of a shmring segment, once.
//
// A segment is a file in shared memory that several processes map at once. This
// package owns the answer to "what is at offset N": the header, the control
// lines, the table of participants, the log of deaths, the slots and the arena.
//
//	offset          what
//	0               Header        one page, written before publication, never after
//	4096            Control       state, tail, head, events, history, dependencies
//	12288           Participant   one row of 256 bytes for each place
//	... aligned     Death         the last deaths, 16 rows of 64 bytes
//	... page        slots         SlotCount cells of SlotSize bytes
//	... page        arena         ArenaSize bytes, absent if zero
//
// The Go structs Header, Control, Participant, Transition, Dependency and Death
// are the description: the table in docs/LAYOUT.md, the fingerprint in every
// segment and the compile-time offset checks all come from them. No other file of
// the module contains an offset or a size of shared memory.
//
// All integers are little-endian and naturally aligned; only 64-bit little-endian
// systems are supported (see Supported). Every word that two processes may touch
// at the same time is declared as an atomic; text is kept in atomic words too, so
// that a torn read can only give a mixed text, never a data race.
//
// Nothing here is safe or unsafe by itself: a View gives typed pointers into
// memory, and the packages above decide who may store where. Values read through a
// View come from other processes: read once, check, then use.
package layout

//go:generate go run ./gen
