package main

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// A demo message is one file:
//
//	sender u32 │ path length u32 │ xxhash64 of the content │ path │ content
const demoHeader = 16

// demoSize returns how many bytes the message of a file takes.
func demoSize(path string, size int64) int64 { return demoHeader + int64(len(path)) + size }

// demoContent returns the part of a message for the content, to be filled in place.
func demoContent(msg []byte, path string) []byte { return msg[demoHeader+len(path):] }

// putDemo completes a message whose content is in place.
func putDemo(msg []byte, sender int, path string) {
	binary.LittleEndian.PutUint32(msg, uint32(sender))
	binary.LittleEndian.PutUint32(msg[4:], uint32(len(path)))
	binary.LittleEndian.PutUint64(msg[8:], xxhash.Sum64(demoContent(msg, path)))
	copy(msg[demoHeader:], path)
}

// A demoFile is a received message, in place.
type demoFile struct {
	sender  int
	path    string
	content []byte
	sum     uint64 // as the sender computed it
}

// getDemo takes a message apart. It fails if the message cannot be one of ours.
func getDemo(msg []byte) (demoFile, error) {
	if len(msg) < demoHeader {
		return demoFile{}, fmt.Errorf("message of %d bytes is shorter than its header", len(msg))
	}
	n := int(binary.LittleEndian.Uint32(msg[4:]))
	if n > len(msg)-demoHeader {
		return demoFile{}, fmt.Errorf("path of %d bytes in a message of %d", n, len(msg))
	}
	return demoFile{
		sender:  int(binary.LittleEndian.Uint32(msg)),
		path:    string(msg[demoHeader : demoHeader+n]),
		content: msg[demoHeader+n:],
		sum:     binary.LittleEndian.Uint64(msg[8:]),
	}, nil
}

// whole reports whether the content is what its sender read.
func (f demoFile) whole() bool { return xxhash.Sum64(f.content) == f.sum }
