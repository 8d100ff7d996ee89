package channel

import (
	"fmt"
	"reflect"
	"unsafe"
)

// Plain is the codec of values without pointers, whose memory is the message: numbers,
// and arrays and structs of them. Both sides must be of the same architecture and have
// the same definition of T; padding travels with undefined content.
type Plain[T any] struct{ size int }

// NewPlain returns the codec of T, or an error if a T holds a pointer (a string, slice,
// map, interface, channel or function is one).
func NewPlain[T any]() (Plain[T], error) {
	t := reflect.TypeFor[T]()
	if err := plainType(t, t.String()); err != nil {
		return Plain[T]{}, err
	}
	return Plain[T]{size: int(t.Size())}, nil
}

// plainType refuses types that mean nothing in another process.
func plainType(t reflect.Type, path string) error {
	switch t.Kind() { //nolint:exhaustive // all others are refused
	case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128,
		reflect.Int, reflect.Uint:
		return nil
	case reflect.Array:
		return plainType(t.Elem(), path+"[]")
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if err := plainType(f.Type, path+"."+f.Name); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("%w: %s is a %s, which means nothing in another process: use "+
			"another codec", ErrState, path, t.Kind())
	}
}

// Size implements Codec.
func (c Plain[T]) Size(T) int { return c.size }

// Append implements Codec.
func (c Plain[T]) Append(dst []byte, v T) ([]byte, error) {
	return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))...), nil
}

// Decode implements Codec. It refuses a message of another size. A bool that a hostile
// peer wrote may be neither true nor false.
func (c Plain[T]) Decode(b []byte, v *T) error {
	if err := c.check(b); err != nil {
		return err
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), c.size), b)
	return nil
}

// View returns the value in place, without a copy: it is shared memory, valid until the
// message is released, not to be written, and a hostile peer may change it meanwhile.
func (c Plain[T]) View(m Message) (*T, error) {
	b := m.Bytes()
	if err := c.check(b); err != nil {
		return nil, err
	}
	if c.size == 0 {
		return new(T), nil
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if uintptr(p)%unsafe.Alignof(*new(T)) != 0 {
		return nil, fmt.Errorf("%w: the message is not aligned for the type", ErrState)
	}
	return (*T)(p), nil
}

func (c Plain[T]) check(b []byte) error {
	if len(b) != c.size {
		return fmt.Errorf("%w: a message of %d bytes, the type has %d", ErrState, len(b), c.size)
	}
	return nil
}
