// Package channel is the API of shmring: a named, bounded queue in shared memory
// between processes of one Linux machine, which survives the death of any of them.
//
//	ch, err := channel.OpenOrCreate(ctx, "tokens", channel.Options{})
//	tx, err := ch.Sender(ctx)       // in one process
//	err = tx.Send(ctx, payload)
//	rx, err := ch.Receiver(ctx)     // in another
//	for m, err := range rx.Messages(ctx) { use(m.Bytes()) }
//
// # The types
//
// A Channel is one attachment of this process to a segment. A Sender and a Receiver
// are roles that the process takes on it. A Message is a received message, a Lease
// room for one to send, both in place in shared memory. All handles may be used by
// several goroutines; calls of one handle take turns.
//
// # What is promised
//
// A Send that returned nil is delivered, in order, or counted by a forced close that
// says so. Whoever dies, by whatever signal and at whatever instruction, loses at
// most what it had not finished sending; everybody else goes on, and learns of the
// death within milliseconds. Waiting costs no CPU. The end of a channel comes after
// its data: Seal stops the senders at one instant for all processes, receivers get
// everything before it and then io.EOF.
//
//	ACTIVE → DRAINING → CLOSING → CLOSED
//	ACTIVE, DRAINING, CLOSING → ERROR → RECOVERING → ACTIVE or ERROR
//	ERROR → CLOSING
//
// Recv and Release deliver at least once over the death of a receiver, and mark what
// may come again; RecvAppend delivers at most once.
//
// # How calls behave
//
// Calls that can wait take a context first; Try… variants never wait. All check in
// one order, before and after every sleep: my handle closed, context ended, data,
// sealed and empty. Errors are matched by errors.Is, and errors.As gives an *OpError
// with the operation, the channel and its state; io.EOF alone is returned bare. The
// error of a context that ended says who is stuck.
//
// # Caveats
//
// The trust boundary is the permission to open the segment read-write: a peer with
// that permission cannot crash this process or lead it outside the segment, but it
// can write nonsense payloads, and can change a message while it is read in place.
// A sender that is stopped (not dead) in the middle of a message delays those behind
// it; it is reported and never robbed. Memory is not freed while a message or a
// lease is held.
package channel
