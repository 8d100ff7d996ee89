package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// A table is text in columns: aligned, two spaces apart, without trailing blanks.
// A heading that begins with ">" has its column flush right.
type table struct {
	indent string
	rows   [][]string
}

func newTable(headings ...string) *table { return &table{rows: [][]string{headings}} }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) empty() bool { return len(t.rows) == 1 }

// String returns the whole table.
func (t *table) String() string {
	heads := t.rows[0]
	right := make([]bool, len(heads))
	width := make([]int, len(heads))
	rows := make([][]string, len(t.rows))
	for i, row := range t.rows {
		rows[i] = append([]string(nil), row...)
		for c := range row {
			if i == 0 && strings.HasPrefix(row[c], ">") {
				right[c], rows[i][c] = true, row[c][1:]
			}
			if rows[i][c] == "" {
				rows[i][c] = "-"
			}
			width[c] = max(width[c], utf8.RuneCountInString(rows[i][c]))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := t.indent
		for c, cell := range row {
			pad := strings.Repeat(" ", width[c]-utf8.RuneCountInString(cell))
			if right[c] {
				line += pad + cell + "  "
			} else {
				line += cell + pad + "  "
			}
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// print writes text to the standard output.
func (a *app) print(text string) error {
	_, err := io.WriteString(a.stdout, text)
	return writeError(err)
}
