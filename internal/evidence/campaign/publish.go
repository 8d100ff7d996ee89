package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"shmring/internal/evidence"
)

// publish writes what the records say into the documents.
func publish(root string) error {
	records, err := load(filepath.Join(root, recordDir))
	if err != nil {
		return err
	}
	for _, d := range []struct {
		path string
		text string
	}{
		{"docs/RELIABILITY.md", details(records)},
		{"README.md", totals(records)},
	} {
		path := filepath.Join(root, d.path)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		replaced, err := between(string(text), d.text)
		if err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		err = os.WriteFile(path, []byte(replaced), 0o644) //nolint:gosec // a document
		if err != nil {
			return err
		}
	}
	return nil
}

// load reads the records, in the order of the engines.
func load(dir string) ([]evidence.Record, error) {
	var records []evidence.Record
	for _, e := range engines {
		for _, name := range e.records {
			text, err := os.ReadFile(filepath.Join(dir, name+".json"))
			if os.IsNotExist(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			var r evidence.Record
			if err := json.Unmarshal(text, &r); err != nil {
				return nil, fmt.Errorf("record %s: %w", name, err)
			}
			records = append(records, r)
		}
	}
	return records, nil
}

// Marks around what is generated.
const (
	beginMark = "<!-- evidence: begin -->\n"
	endMark   = "<!-- evidence: end -->\n"
)

// between replaces what lies between the marks.
func between(text, generated string) (string, error) {
	head, rest, ok := strings.Cut(text, beginMark)
	_, tail, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", fmt.Errorf("has no %q and %q", strings.TrimSpace(beginMark),
			strings.TrimSpace(endMark))
	}
	return head + beginMark + generated + endMark + tail, nil
}

// details is the table of all records.
func details(records []evidence.Record) string {
	var b strings.Builder
	b.WriteString("| engine | tries to break | counted | times in ms | seed | took | commit |\n")
	b.WriteString("|---|---|---|---|---|---:|---|\n")
	for _, r := range records {
		seed := "-"
		if r.Seed != 0 {
			seed = fmt.Sprint(r.Seed)
		}
		fmt.Fprintf(&b, "| [%s](../%s/%s.json): %s | %s | %s | %s | %s | %.0f s | %s |\n",
			r.Name, recordDir, r.Name, r.Title, strings.Join(r.Guarantees, " "),
			pairs(r.Counts, func(v int64) string { return group(v) }),
			pairs(r.Millis, func(v float64) string { return fmt.Sprintf("%.3g", v) }),
			seed, r.Seconds, r.Commit)
	}
	if len(records) > 0 {
		r := records[0]
		fmt.Fprintf(&b, "\nLinux %s, %s, %d processors, %s.\n", r.Kernel, r.Arch, r.CPUs, r.Go)
	}
	return b.String()
}

// pairs lists a map by its keys.
func pairs[V any](m map[string]V, text func(V) string) string {
	if len(m) == 0 {
		return "-"
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, strings.ReplaceAll(k, "_", " ")+" "+text(m[k]))
	}
	return strings.Join(out, ", ")
}

// group writes a number in groups of three digits.
func group(v int64) string {
	text := fmt.Sprint(v)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
