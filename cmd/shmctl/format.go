package main

import (
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
	Position    uint64     `json:"position"`
	Size        int        `json:"size"`
	Sent        *time.Time `json:"sent,omitempty"`
	Redelivered bool       `json:"redelivered"`
	Text        *string    `json:"text,omitempty"` // if the payload is UTF-8
	Data        []byte     `json:"data,omitempty"` // else, in base64
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
	if utf8.Valid(payload) {
		text := string(payload)
		j.Text = &text
	} else {
		j.Data = payload
	}
	line, err := json.Marshal(j)
	if err != nil {
		return dst, fmt.Errorf("message %d as JSON: %w", j.Position, err)
	}
	return append(append(dst, line...), '\n'), nil
}

// printJSON prints one value, indented.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return writeError(enc.Encode(v))
}
