package channel

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"iter"
)

// A Codec turns values into messages and back. It must be usable by several goroutines
// at once.
type Codec[T any] interface {
	// Size returns how many bytes to reserve for v: at least what Append appends.
	Size(v T) int
	// Append appends the encoding of v to dst.
	Append(dst []byte, v T) ([]byte, error)
	// Decode sets v from a message. It must copy what it keeps: b is shared memory, which
	// goes to somebody else, and which a hostile peer may change while it is read.
	Decode(b []byte, v *T) error
}

// Typed sends and receives values of one type over a channel of bytes. All participants
// must use the same codec. It is a value without state.
type Typed[T any] struct{ codec Codec[T] }

// NewTyped returns a Typed that uses codec.
func NewTyped[T any](codec Codec[T]) Typed[T] { return Typed[T]{codec} }

// Send encodes v straight into shared memory and sends it. Errors are those of SendFunc
// and of the codec.
func (t Typed[T]) Send(ctx context.Context, tx *Sender, v T) error {
	return tx.SendFunc(ctx, t.codec.Size(v), func(b []byte) (int, error) {
		out, err := t.codec.Append(b[:0:len(b)], v)
		if err == nil && len(out) > len(b) {
			err = fmt.Errorf("%w: the codec reserved %d bytes and used %d",
				ErrTooBig, len(b), len(out))
		}
		if err == nil && len(out) > 0 && &out[0] != &b[0] {
			copy(b, out) // the codec grew its buffer, as append may
		}
		return len(out), err
	})
}

// Recv receives and decodes the next value. A message that does not decode is released
// and its error returned: the next call goes on behind it. Other errors are those of
// Receiver.Recv, io.EOF among them.
func (t Typed[T]) Recv(ctx context.Context, rx *Receiver) (T, error) {
	var v T
	m, err := rx.Recv(ctx)
	if err != nil {
		return v, err
	}
	defer m.Release()
	if err := t.codec.Decode(m.Bytes(), &v); err != nil {
		return v, rx.ch.fail("decode", err)
	}
	return v, nil
}

// Values iterates over the values until the end of the channel. io.EOF ends the loop
// silently; another error is yielded once and ends it too.
func (t Typed[T]) Values(ctx context.Context, rx *Receiver) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := t.Recv(ctx, rx)
			if errors.Is(err, io.EOF) || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Binary is the codec of types that encode themselves: T by encoding.BinaryAppender, and
// *T by encoding.BinaryUnmarshaler. Values must not encode to more than Max bytes; zero
// stands for 4096.
type Binary[T encoding.BinaryAppender, P interface {
	*T
	encoding.BinaryUnmarshaler
}] struct{ Max int }

// Size implements Codec.
func (c Binary[T, P]) Size(T) int { return pick(c.Max, defaultBinaryMax) }

const defaultBinaryMax = 4096

// Append implements Codec.
func (Binary[T, P]) Append(dst []byte, v T) ([]byte, error) { return v.AppendBinary(dst) }

// Decode implements Codec. encoding.BinaryUnmarshaler copies what it keeps.
func (Binary[T, P]) Decode(b []byte, v *T) error { return P(v).UnmarshalBinary(b) }
