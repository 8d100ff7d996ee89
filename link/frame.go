package link

import (
	"encoding/binary"
	"fmt"

	"shmring/channel"
)

// HeaderSize is how many bytes of each message are the frame's header. All of it is
// little-endian:
//
//	0  u64  ID     of the request that the frame is about
//	8  u16  Kind
//	10 u16         zero
//	12 u32  Aux    the user's
//	16      payload
const HeaderSize = 16

// A Kind says what a frame is. Kinds below User are those named here; the rest is the user's.
type Kind uint16

// Kinds of frame. The link looks at Cancel, and at End and Error, which end a request for
// Runner.Canceled; all others it carries.
const (
	Request   Kind = iota + 1 // server to runner
	Token                     // runner to server
	End                       // runner to server: the last frame of a request
	Error                     // runner to server: the same, and why, in words
	Cancel                    // server to runner, on the control channel
	Blob                      // either way
	Embedding                 // runner to server

	User Kind = 256 // the first of the user's own

	hello Kind = 255 // the first message of a control channel
)

// String returns the kind as one word.
func (k Kind) String() string {
	names := [...]string{
		Request: "request", Token: "token", End: "end", Error: "error", Cancel: "cancel",
		Blob: "blob", Embedding: "embedding",
	}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	if k >= User {
		return fmt.Sprintf("user+%d", k-User)
	}
	return fmt.Sprintf("kind(%d)", uint16(k))
}

// A Frame is one message with its header. Received, its payload lies in place in shared
// memory, and is valid until Release; to be sent, it is the caller's, and is copied.
type Frame struct {
	ID      uint64 // of the request
	Kind    Kind
	Aux     uint32 // the user's
	Payload []byte

	msg channel.Message
}

// Release gives the room of a received frame back; its payload must not be touched any more.
// A second Release does nothing.
func (f Frame) Release() { f.msg.Release() }

// Redelivered reports that a receiver that died may have been given this frame. Over a link
// that does not happen: the death of a side ends the instance.
func (f Frame) Redelivered() bool { return f.msg.Redelivered() }

func (f Frame) putHeader(b []byte) {
	binary.LittleEndian.PutUint64(b, f.ID)
	binary.LittleEndian.PutUint32(b[8:], uint32(f.Kind))
	binary.LittleEndian.PutUint32(b[12:], f.Aux)
}

// parse reads the header of a message, which the frame then owns.
func parse(m channel.Message) (Frame, error) {
	b := m.Bytes()
	if len(b) < HeaderSize {
		m.Release()
		return Frame{}, fmt.Errorf("%w: a message of %d bytes has no frame header of %d: "+
			"the peer does not use package link", ErrProtocol, len(b), HeaderSize)
	}
	return Frame{
		ID:      binary.LittleEndian.Uint64(b),
		Kind:    Kind(binary.LittleEndian.Uint16(b[8:])),
		Aux:     binary.LittleEndian.Uint32(b[12:]),
		Payload: b[HeaderSize:], msg: m,
	}, nil
}

// A Lease is room for the payload of one frame, in place in shared memory. It ends by Commit
// or Abort, one of which must be called: other sends of the same side wait until then.
type Lease struct {
	lease channel.Lease
	done  func()
}

// Bytes returns the room, whose content is undefined until written. It is valid until Commit
// or Abort.
func (l Lease) Bytes() []byte { return l.lease.Bytes()[HeaderSize:] }

// Commit sends the first n bytes. It fails with channel.ErrTooBig if there are not so many,
// and then the lease stays; with channel.ErrState if the lease has ended.
func (l Lease) Commit(n int) error {
	if n < 0 {
		return fmt.Errorf("%w: a payload of %d bytes", channel.ErrTooBig, n)
	}
	if err := l.lease.Commit(HeaderSize + n); err != nil {
		return err
	}
	l.done()
	return nil
}

// Abort gives the room back unsent. After a Commit or an Abort it does nothing.
func (l Lease) Abort() {
	l.lease.Abort()
	l.done()
}
