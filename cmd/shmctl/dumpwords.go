package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shmring/internal/layout"
)

// A dumpTable is one struct of the segment.
type dumpTable struct {
	Struct string      `json:"struct"`
	Index  int         `json:"index" doc:"of a row; -1: there is one only"`
	Offset uint64      `json:"offset" doc:"in the file"`
	Words  []dumpField `json:"words" doc:"those that are not zero"`
}

type dumpField struct {
	Offset uint64 `json:"offset" doc:"in the file"`
	Name   string `json:"name"`
	Value  string `json:"value"`
	Text   string `json:"text" doc:"the same as a time or in hexadecimal"`
}

// tables reads the rows of a table; those that are all zero are left out.
func (d *dumped) tables(name string, at uint64, mem []byte, size uint64) {
	for i := range uint64(len(mem)) / size {
		d.table(name, at+i*size, mem[i*size:(i+1)*size], int(i), 1)
	}
}

// table reads one struct, and keeps it if it has at least so many words.
func (d *dumped) table(name string, at uint64, mem []byte, index, least int) {
	t := dumpTable{Struct: name, Index: index, Offset: at, Words: []dumpField{}}
	var nested []layout.Field
	for _, table := range layout.Tables() {
		if table.Name != name {
			continue
		}
		for _, f := range table.Fields {
			switch {
			case f.Offset+f.Size > uint64(len(mem)):
			case ofWords(f):
				t.field(at, f, mem[f.Offset:f.Offset+f.Size])
			default:
				nested = append(nested, f)
			}
		}
	}
	if len(t.Words) >= least {
		d.Tables = append(d.Tables, t)
	}
	for _, f := range nested {
		rows, ok := strings.CutSuffix(f.Type, "]")
		name, count, found := strings.Cut(rows, "[")
		n, err := strconv.ParseUint(count, 10, 32)
		if ok && found && err == nil && n > 0 {
			row := strings.ToUpper(name[:1]) + name[1:]
			d.tables(row, at+f.Offset, mem[f.Offset:f.Offset+f.Size], f.Size/n)
		}
	}
}

// ofWords reports whether a field is words or bytes, not structs that are described apart.
func ofWords(f layout.Field) bool {
	name, _, _ := strings.Cut(f.Type, "[")
	return slices.Contains([]string{"u32", "u64", "i64", "bytes"}, name)
}

// field adds a field that is not zero. An array of words is one text or some numbers.
func (t *dumpTable) field(at uint64, f layout.Field, mem []byte) {
	if strings.Trim(string(mem), "\x00") == "" {
		return
	}
	w := dumpField{Offset: at + f.Offset, Name: f.Name}
	switch {
	case f.Size == 4:
		w.Value = fmt.Sprint(binary.LittleEndian.Uint32(mem))
	case f.Size == 8 && f.Type == "i64":
		n := int64(binary.LittleEndian.Uint64(mem))
		w.Value = fmt.Sprint(n)
		if strings.HasSuffix(f.Name, "Ns") && n > int64(time.Hour) {
			w.Text = time.Unix(0, n).UTC().Format(time.RFC3339Nano)
		}
	case f.Size == 8:
		n := binary.LittleEndian.Uint64(mem)
		w.Value = fmt.Sprintf("%d", n)
		if n > 1<<20 {
			w.Text = fmt.Sprintf("%#016x", n)
		}
	default:
		w.Value = hex.EncodeToString(mem)
		if text := strings.TrimRight(string(mem), "\x00"); isText(f.Name) && printable(text) {
			w.Value = text
		}
	}
	t.Words = append(t.Words, w)
}

// isText reports whether a field is a text.
func isText(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	texts := []string{"Comm", "CreatorComm", "Reason", "Name", "Op", "BusyNote"}
	return slices.Contains(texts, last)
}

// printable reports whether a text can be shown on a terminal as it is.
func printable(text string) bool {
	for _, r := range text {
		if r < ' ' || r > '~' {
			return false
		}
	}
	return true
}

func (t dumpTable) text() string {
	var b strings.Builder
	b.WriteString(strings.ToLower(t.Struct))
	if t.Index >= 0 {
		fmt.Fprintf(&b, " %d", t.Index)
	}
	fmt.Fprintf(&b, " at %d\n", t.Offset)
	words := newTable(">OFFSET", "NAME", "VALUE")
	words.indent = "  "
	for _, w := range t.Words {
		value := w.Value
		if w.Text != "" {
			value += " = " + w.Text
		}
		words.row(fmt.Sprint(w.Offset), w.Name, value)
	}
	_, rows, _ := strings.Cut(words.String(), "\n") // without headings
	return b.String() + rows
}
