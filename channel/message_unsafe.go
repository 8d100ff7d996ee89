package channel

import (
	"unsafe"

	"shmring/ring"
)

// newMessage makes a message of what the ring handed out.
func newMessage(rx *Receiver, it *ring.Item) Message {
	meta := uint64(len(it.Bytes))
	if it.Redelivered {
		meta |= messageAgain
	}
	return Message{rx: rx, data: unsafe.SliceData(it.Bytes), pos: it.Pos, meta: meta}
}

// Bytes returns the payload in shared memory, valid until Release.
func (m Message) Bytes() []byte { return unsafe.Slice(m.data, int(m.meta&^messageAgain)) }

// newLease makes a lease of what the ring reserved.
func newLease(tx *Sender, buf []byte) Lease {
	return Lease{tx: tx, gen: tx.lease, data: unsafe.SliceData(buf), size: len(buf)}
}

// Bytes returns the reserved bytes. Their content is undefined until written. They
// are valid until Commit or Abort.
func (l Lease) Bytes() []byte { return unsafe.Slice(l.data, l.size) }
