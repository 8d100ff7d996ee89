package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cespare/xxhash/v2"

	"shmring/channel"
)

// A file of record is a header and then records, all numbers little-endian:
//
//	header, 32 bytes: "shmrec1\n", u64 flags (zero), i64 Unix nanoseconds of the start,
//	                  u64 xxhash64 of the 24 bytes before
//	record, 24 bytes: u32 length, u32 flags (bit 0: redelivered), i64 nanoseconds since the
//	                  start, u64 xxhash64 of the 16 bytes before and the payload
//	                  and then the payload
//
// Nothing is written over: a kill leaves whole records and at most one that is torn.
const (
	recordMagic       = "shmrec1\n"
	recordHeaderSize  = 32
	recordSize        = 24
	recordRedelivered = 1 << 0
)

// errNoRecord is for bytes that are no file of record.
var errNoRecord = errors.New("no file of shmctl record")

// A tornError says that a file ends in the middle of a record.
type tornError struct {
	whole int64 // bytes of the header and the whole records
	rest  int64 // bytes behind them, at least
	n     int   // whole records
}

func (e *tornError) Error() string {
	return fmt.Sprintf("record %d is torn: %d bytes behind the last whole record", e.n+1, e.rest)
}

// Is makes a tornError an ErrCorrupt.
func (e *tornError) Is(target error) bool { return target == channel.ErrCorrupt }

func appendRecordHeader(dst []byte, start time.Time) []byte {
	at := len(dst)
	dst = append(dst, recordMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(start.UnixNano()))
	return binary.LittleEndian.AppendUint64(dst, xxhash.Sum64(dst[at:]))
}

func appendRecord(dst []byte, since time.Duration, redelivered bool, payload []byte) []byte {
	at := len(dst)
	flags := uint32(0)
	if redelivered {
		flags = recordRedelivered
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, flags)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(since))
	dst = binary.LittleEndian.AppendUint64(dst, recordSum(dst[at:], payload))
	return append(dst, payload...)
}

func recordSum(head, payload []byte) uint64 {
	d := xxhash.New()
	_, _ = d.Write(head) // a hash never fails
	_, _ = d.Write(payload)
	return d.Sum64()
}

// A record is one message of a file.
type record struct {
	since       time.Duration // from the start of the recording
	redelivered bool
	payload     []byte // valid until the next one is read
}

// A recordReader reads a file of record.
type recordReader struct {
	r     io.Reader
	start time.Time
	n     int   // records that were read
	at    int64 // bytes of them and the header
	buf   []byte
}

func newRecordReader(r io.Reader) (*recordReader, error) {
	head := make([]byte, recordHeaderSize)
	n, err := io.ReadFull(r, head)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w: it has %d bytes, a header has %d", errNoRecord, n,
			recordHeaderSize)
	case err != nil:
		return nil, err
	case string(head[:8]) != recordMagic:
		return nil, errNoRecord
	case binary.LittleEndian.Uint64(head[24:]) != xxhash.Sum64(head[:24]):
		return nil, fmt.Errorf("%w: the checksum of its header is wrong", errNoRecord)
	case binary.LittleEndian.Uint64(head[8:]) != 0:
		return nil, fmt.Errorf("%w: it has flags of a later version of shmctl", errNoRecord)
	}
	start := time.Unix(0, int64(binary.LittleEndian.Uint64(head[16:])))
	return &recordReader{r: r, start: start, at: recordHeaderSize}, nil
}

// next returns the next record; io.EOF at the end, a *tornError if the rest is no whole
// record.
func (r *recordReader) next() (record, error) {
	var head [recordSize]byte
	n, err := io.ReadFull(r.r, head[:])
	switch {
	case errors.Is(err, io.EOF):
		return record{}, io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return record{}, r.torn(int64(n))
	case err != nil:
		return record{}, err
	}
	length := int64(binary.LittleEndian.Uint32(head[:]))
	r.buf = r.buf[:0]
	payload, err := r.payload(length)
	if err != nil {
		return record{}, err
	}
	if int64(len(payload)) < length ||
		binary.LittleEndian.Uint64(head[16:]) != recordSum(head[:16], payload) {
		return record{}, r.torn(recordSize + int64(len(payload)))
	}
	r.n++
	r.at += recordSize + length
	return record{
		since:       time.Duration(binary.LittleEndian.Uint64(head[8:])),
		redelivered: binary.LittleEndian.Uint32(head[4:])&recordRedelivered != 0,
		payload:     payload,
	}, nil
}

// payload reads up to so many bytes, without belief in a length that may be torn.
func (r *recordReader) payload(length int64) ([]byte, error) {
	const step = 1 << 20
	for int64(len(r.buf)) < length {
		at := len(r.buf)
		more := int(min(step, length-int64(at)))
		r.buf = append(r.buf, make([]byte, more)...)
		n, err := io.ReadFull(r.r, r.buf[at:])
		r.buf = r.buf[:at+n]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return r.buf, nil
}

func (r *recordReader) torn(rest int64) error {
	return &tornError{whole: r.at, rest: rest, n: r.n}
}
