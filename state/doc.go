// Package state is the life of a channel as one word in shared memory.
//
//	ACTIVE → DRAINING → CLOSING → CLOSED
//	ACTIVE, DRAINING, CLOSING → ERROR → RECOVERING → ACTIVE or ERROR
//	ERROR → CLOSING
//
// The word is [state:4][final:1][forced:1][epoch:26]. It changes only by a CAS along
// this table, and every change takes the next epoch. The first entry to CLOSING sets
// final: from then on ERROR leads only to CLOSING. Forced says that what is left in
// the channel will not be delivered.
//
// Every change but one is made by the holder of the control lock, who first writes a
// record of who, when and why. The exception is the receiver, who ends a drained
// channel without a lock and without a record: a record counts only if it carries the
// very word that is in force, so one that lost a race explains nothing.
package state
