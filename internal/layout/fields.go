package layout

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Fingerprint is the xxhash64 of FieldTable. It is written down here so that a
// changed layout is a changed line; a test compares it with the structs.
const Fingerprint = 0x4c837587114854e1

// A Field is one described item of a struct of the segment.
type Field struct {
	Name   string // dotted path inside the struct
	Offset uint64 // bytes from the start of the struct
	Size   uint64 // bytes
	Type   string // "u32", "u64", "i64", "bytes", or "u64[4]" for an array
	Doc    string
}

// A Table is the description of one struct.
type Table struct {
	Name   string
	Size   uint64
	Fields []Field
}

// Tables returns the description of every struct of a segment, in file order.
func Tables() []Table {
	var out []Table
	structs := []any{
		Header{}, Control{}, Transition{}, Dependency{}, Plan{}, Participant{}, Death{},
	}
	for _, v := range structs {
		t := reflect.TypeOf(v)
		table := Table{Name: t.Name(), Size: uint64(t.Size())}
		table.Fields = appendFields(nil, t, "", 0)
		out = append(out, table)
	}
	return out
}

// FieldTable returns the description as text: one line for each item, without
// its documentation.
func FieldTable() string {
	var b strings.Builder
	for _, t := range Tables() {
		fmt.Fprintf(&b, "%s %d\n", t.Name, t.Size)
		for _, f := range t.Fields {
			fmt.Fprintf(&b, "  %d %d %s %s\n", f.Offset, f.Size, f.Type, f.Name)
		}
	}
	fmt.Fprintf(&b, "commit lap@%d kind@%d length:%d\n", lapShift, kindShift, lengthBits)
	fmt.Fprintf(&b, "line %d page %d unit %d lock %d\n",
		Line, PageSize, ArenaUnit, uint64(LockBase))
	return b.String()
}

// ComputeFingerprint returns what Fingerprint must be.
func ComputeFingerprint() uint64 { return xxhash.Sum64String(FieldTable()) }

func appendFields(out []Field, t reflect.Type, prefix string, base uint64) []Field {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" {
			continue
		}
		name, off := prefix+f.Name, base+uint64(f.Offset)
		if f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == t.PkgPath() {
			out = appendFields(out, f.Type, name+".", off)
			continue
		}
		out = append(out, Field{
			Name: name, Offset: off, Size: uint64(f.Type.Size()), Type: typeName(f.Type),
			Doc: f.Tag.Get("doc"),
		})
	}
	return out
}

func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Array {
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return fmt.Sprintf("%s[%d]", typeName(t.Elem()), t.Len())
	}
	name := strings.ToLower(t.Name())
	return strings.NewReplacer("uint", "u", "int", "i").Replace(name)
}
