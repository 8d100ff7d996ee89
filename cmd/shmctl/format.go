package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"shmring/channel"
)

// A format appends a message to what will be written.
type format func([]byte, channel.Message) ([]byte, error)

func formatOf(o recvOptions) format {
	switch {
	case o.raw:
		return formatRaw
	case o.json:
		return formatJSON
	case o.hex:
		return formatHex
	}
	return formatLine
}

func formatRaw(dst []byte, m channel.Message) ([]byte, error) {
	return append(dst, m.Bytes()...), nil
}

func formatLine(dst []byte, m channel.Message) ([]byte, error) {
	dst = append(dst, m.Bytes()...)
	return append(dst, '\n'), nil
}

// messageJSON is a line of recv --json.
type messageJSON struct {
	Position    uint64     `json:"position" doc:"in the channel"`
	Size        int        `json:"size" doc:"bytes"`
	Sent        *time.Time `json:"sent,omitempty" doc:"of channels with timestamps"`
	Redelivered bool       `json:"redelivered" doc:"a receiver that died may have been given it"`
	Text        *string    `json:"text,omitempty" doc:"the payload, if it is UTF-8"`
	Data        []byte     `json:"data,omitempty" doc:"the payload, if it is not"`
}

func formatJSON(dst []byte, m channel.Message) ([]byte, error) {
	payload := m.Clone() // looked at twice
	j := messageJSON{
		Position: m.Position(), Size: len(payload), Redelivered: m.Redelivered(),
	}
	if sent := m.Sent(); !sent.IsZero() {
		sent = sent.UTC()
		j.Sent = &sent
	}
	j.Text, j.Data = textOrData(payload)
	line, err := json.Marshal(j)
	if err != nil {
		return dst, fmt.Errorf("message %d as JSON: %w", j.Position, err)
	}
	return append(append(dst, line...), '\n'), nil
}

// textOrData returns a payload as text if it is UTF-8, else as data.
func textOrData(payload []byte) (text *string, data []byte) {
	if utf8.Valid(payload) {
		s := string(payload)
		return &s, nil
	}
	return nil, payload
}

func formatHex(dst []byte, m channel.Message) ([]byte, error) {
	return appendHex(dst, m.Position(), len(m.Bytes()), m.Clone()), nil
}

// appendHex appends a message as hexdump -C shows bytes, which may be the first of size.
func appendHex(dst []byte, position uint64, size int, payload []byte) []byte {
	dst = fmt.Appendf(dst, "position %d, %d bytes\n", position, size)
	return append(dst, hex.Dump(payload)...)
}

// printJSON prints one value, indented.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return writeError(enc.Encode(v))
}

// printLine prints one value as JSON on one line.
func (a *app) printLine(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return writeError(enc.Encode(v))
}
