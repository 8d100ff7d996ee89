package main

import (
	"strings"
	"unicode/utf8"
)

// topMarks are the letters of top that not every terminal has. All are one cell wide.
type topMarks struct {
	ellipsis rune   // where something was cut
	levels   []rune // of a depth, from empty to full
}

// topMarksFor chooses them: a console and a locale that is named and not of UTF-8 have
// those of ASCII only.
func topMarksFor(getenv func(string) string) topMarks {
	plain := topMarks{'~', []rune("_.-:=+*#")}
	if term := getenv("TERM"); term == "dumb" || term == "linux" {
		return plain
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} { // the first one counts
		locale := strings.ToLower(getenv(name))
		if locale == "" {
			continue
		}
		if !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8") {
			return plain
		}
		break
	}
	return topMarks{'…', []rune("▁▂▃▄▅▆▇█")}
}

// spark draws shares from 0 to 1, the last ones that have room.
func (k topMarks) spark(shares []float64, width int) string {
	var b strings.Builder
	for _, s := range shares[max(0, len(shares)-width):] {
		level := int(s * float64(len(k.levels)))
		b.WriteRune(k.levels[max(0, min(level, len(k.levels)-1))])
	}
	return b.String()
}

// cut shortens a text to a width. A letter that is not one cell wide, which only a peer may
// have written, is shown as a question mark.
func (k topMarks) cut(text string, width int) string {
	out := make([]rune, 0, width)
	for _, r := range text {
		if len(out) == width {
			if width > 0 {
				out[width-1] = k.ellipsis
			}
			break
		}
		out = append(out, k.safe(r))
	}
	return string(out)
}

func (k topMarks) safe(r rune) rune {
	if r >= ' ' && r <= '~' || r == 'µ' || r == k.ellipsis || r >= '▁' && r <= '█' {
		return r
	}
	return '?'
}

// wrap breaks a text between words into lines of a width, those behind the first indented
// by two more than it is. A word that is longer than a line is cut.
func (k topMarks) wrap(text string, width int) []string {
	indent := strings.Repeat(" ", len(text)-len(strings.TrimLeft(text, " ")))
	if utf8.RuneCountInString(text) <= width {
		return []string{k.cut(text, width)}
	}
	var lines []string
	line := indent
	for i, word := range strings.Fields(text) {
		switch room := width - utf8.RuneCountInString(line) - 1; {
		case i == 0:
			line += word
		case utf8.RuneCountInString(word) <= room:
			line += " " + word
		default:
			lines = append(lines, k.cut(line, width))
			line = indent + "  " + word
		}
	}
	return append(lines, k.cut(line, width))
}

// fit joins as many parts as a line has room for, and says if some are missing.
func (k topMarks) fit(parts []string, width int) string {
	const gap = "  "
	line := ""
	for i, part := range parts {
		more := part
		if i > 0 {
			more = gap + part
		}
		room := width - utf8.RuneCountInString(line)
		if i < len(parts)-1 {
			room -= len(gap) + 1 // for the ellipsis of those behind it
		}
		if utf8.RuneCountInString(more) > room {
			if i == 0 {
				return k.cut(part, width)
			}
			return line + gap + string(k.ellipsis)
		}
		line += more
	}
	return line
}
