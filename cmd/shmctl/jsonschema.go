package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// A schema is what a verb prints with --json. The doc tags of its fields are the manual.
type schema struct {
	verb string // or the name of an object that several verbs print
	form string // what the whole is
	of   any
}

// Forms of what verbs print.
const (
	formObject = "An object."
	formList   = "A list of objects."
	formLines  = "An object a line."
)

// shared are objects that several verbs print. Their names stand in the type column.
var shared = []schema{
	{"geometry", "", geometryJSON{}},
	{"counters", "", countersJSON{}},
	{"creator", "", creatorJSON{}},
	{"participant", "", participantJSON{}},
	{"transition", "", transitionJSON{}},
	{"death", "", deathJSON{}},
	{"trouble", "", trouble{}},
	{"removal", "", sweepJSON{}},
}

// schemas are the verbs with --json.
var schemas = []schema{
	{"create", formObject, createdJSON{}},
	{"recv", formLines, messageJSON{}},
	{"peek", formLines, peekJSON{}},
	{"replay", "With --check. " + formObject, recordingJSON{}},
	{"close", formObject + " Also on failure.", reportJSON{}},
	{"drain", formObject + " Also on failure.", drainedJSON{}},
	{"recover", formObject + " Also on failure.", repairsJSON{}},
	{"shutdown", formObject + " Also on failure.", endsJSON{}},
	{"watch", formLines, changeJSON{}},
	{"event signal", formObject, signalJSON{}},
	{"event wait", formObject, signalJSON{}},
	{"event show", formObject, eventJSON{}},
	{"ls", formList, summaryJSON{}},
	{"stat", formObject, statJSON{}},
	{"ps", formList, psJSON{}},
	{"top", formList, topRowJSON{}},
	{
		"health", formObject + " With a wrong command line nothing is printed. What was not " +
			"found out is 0 or empty.", healthJSON{},
	},
	{"doctor", formObject, doctorJSON{}},
	{"deps", formList, depsJSON{}},
	{"dump", formObject, dumped{}},
	{"rm", formList + " Also on failure.", removedJSON{}},
	{"gc", formList, sweepJSON{}},
	{"latency", formLines, latencyJSON{}},
	{"bench", formObject, benchedJSON{}},
	{"demo", formObject, demoResult{}},
	{"version", formObject, versionJSON{}},
}

// withoutJSON are the verbs that have no --json, and why.
var withoutJSON = []struct{ verb, why string }{
	{"send", "it prints nothing; what came of it is the exit code"},
	{"record", "its output is the recording; `replay --check --json` says what is in one"},
	{"deps add", "it changes one thing; `deps --json` shows what there is then"},
	{"deps rm", "the same"},
	{"completion", "its output is a script for a shell"},
	{"help", "its output is for people"},
	{"exit-codes", "a page of help"},
}

// A jsonField is a row of a table of fields.
type jsonField struct {
	path, kind, doc string
	optional        bool // it, or what it is in
}

// fieldsOf lists the fields of a type: of objects of its own by their paths, of shared ones
// the name, if deep not only that.
func fieldsOf(of any, deep bool) []jsonField {
	return appendFields(nil, reflect.TypeOf(of), "", false, deep)
}

func appendFields(
	list []jsonField, t reflect.Type, prefix string, optional, deep bool,
) []jsonField {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			list = appendFields(list, f.Type, prefix, optional, deep)
			continue
		}
		maybe := optional || options == "omitempty"
		inner, kind, at := kindOf(f.Type)
		list = append(list, jsonField{prefix + name, kind, f.Tag.Get("doc"), maybe})
		if inner != nil && (deep || sharedName(inner) == "") {
			list = appendFields(list, inner, prefix+name+at+".", maybe, deep)
		}
	}
	return list
}

// kindOf says in words what a type is in JSON, and which objects it has inside, after at.
func kindOf(t reflect.Type) (inner reflect.Type, kind, at string) {
	switch {
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem())
	case t == reflect.TypeFor[time.Time]():
		return nil, "time", ""
	case t == reflect.TypeFor[[]byte]():
		return nil, "base64", ""
	}
	switch kind := t.Kind(); {
	case kind == reflect.String:
		return nil, "string", ""
	case kind == reflect.Bool:
		return nil, "boolean", ""
	case kind == reflect.Slice:
		inner, one, _ := kindOf(t.Elem())
		return inner, "list of " + plurals(one), "[]"
	case kind != reflect.Struct:
		return nil, "number", ""
	case sharedName(t) != "":
		return t, sharedName(t), ""
	}
	return t, "object", ""
}

func plurals(kind string) string { return kind + "s" }

func sharedName(t reflect.Type) string {
	for _, s := range shared {
		if reflect.TypeOf(s.of) == t {
			return s.verb
		}
	}
	return ""
}

// jsonManual is the part of docs/SHMCTL.md about --json.
func jsonManual() string {
	var b strings.Builder
	for _, s := range schemas {
		fmt.Fprintf(&b, "\n### %s --json\n\n%s\n\n", s.verb, s.form)
		if name := sharedName(reflect.TypeOf(s.of)); name != "" {
			fmt.Fprintf(&b, "Each is a [%s](#the-object-%s).\n", name, name)
			continue
		}
		b.WriteString(fieldTable(s.of))
	}
	for _, s := range shared {
		fmt.Fprintf(&b, "\n### The object %s\n\n%s", s.verb, fieldTable(s.of))
	}
	b.WriteString("\n### Without --json\n\n| verb | why |\n|---|---|\n")
	for _, w := range withoutJSON {
		fmt.Fprintf(&b, "| %s | %s |\n", w.verb, w.why)
	}
	return b.String()
}

func fieldTable(of any) string {
	var b strings.Builder
	b.WriteString("| field | type | |\n|---|---|---|\n")
	for _, f := range fieldsOf(of, false) {
		doc := f.doc
		if f.optional {
			doc = strings.TrimSuffix("may be missing; "+doc, "; ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.path, linked(f.kind), doc)
	}
	return b.String()
}

// linked is a type with a link to the shared object that it is.
func linked(kind string) string {
	for _, s := range shared {
		if one := strings.TrimPrefix(kind, "list of "); one == s.verb || one == plurals(s.verb) {
			return fmt.Sprintf("[%s](#the-object-%s)", kind, s.verb)
		}
	}
	return kind
}
