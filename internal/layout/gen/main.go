// Command gen writes docs/LAYOUT.md from the structs of package layout.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"shmring/internal/layout"
)

func main() {
	out := flag.String("o", "../../docs/LAYOUT.md", "file to write")
	flag.Parse()
	page, err := render()
	if err == nil {
		err = os.WriteFile(*out, page, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// render returns the whole page.
func render() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, intro, layout.Version, uint64(layout.Fingerprint))
	if err := writeRuler(&b); err != nil {
		return nil, err
	}
	b.WriteString(words)
	for _, t := range layout.Tables() {
		writeTable(&b, t)
	}
	return b.Bytes(), nil
}

// writeRuler draws the segment that Create makes when nothing is asked for.
func writeRuler(b *bytes.Buffer) error {
	g, err := layout.NewGeometry(layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: 256, SlotSize: 64,
		MaxParticipants: 64, ArenaSize: 1 << 20,
	})
	if err != nil {
		return err
	}
	b.WriteString(ruler)
	edge := "        +------------------------------------------------------------+\n"
	b.WriteString("```\n offset\n" + edge)
	end := uint64(layout.ControlOff) + layout.ControlSize
	for _, r := range []struct {
		at, end uint64
		text    string
	}{
		{0, layout.HeaderSize, "Header: what this is; never written after publication"},
		{layout.ControlOff, end, "Control: state, tail, head, events, history, dependencies"},
		{end, g.ParticipantsOff, ""},
		{g.ParticipantsOff, g.DeathsOff, fmt.Sprintf("Participant x %d", g.MaxParticipants)},
		{
			g.DeathsOff, g.DeathsOff + layout.DeathCount*layout.DeathSize,
			fmt.Sprintf("Death x %d", layout.DeathCount),
		},
		{g.DeathsOff + layout.DeathCount*layout.DeathSize, g.SlotsOff, ""},
		{g.SlotsOff, g.ArenaOff, fmt.Sprintf("slots: %d x %d bytes", g.SlotCount, g.SlotSize)},
		{g.ArenaOff, g.TotalSize, fmt.Sprintf("arena: %d units of %d bytes",
			g.ArenaUnits, layout.ArenaUnit)},
	} {
		if r.text == "" {
			r.text = "(zero, up to the next page)"
		}
		if r.at < r.end {
			fmt.Fprintf(b, "%7d | %-58s |\n%s", r.at, r.text, edge)
		}
	}
	fmt.Fprintf(b, "%7d   end of the file\n```\n", g.TotalSize)
	return nil
}

func writeTable(b *bytes.Buffer, t layout.Table) {
	fmt.Fprintf(b, "\n## %s: %d bytes\n\n", t.Name, t.Size)
	b.WriteString("| offset | size | type | name | meaning |\n|---:|---:|---|---|---|\n")
	end := uint64(0)
	for _, f := range t.Fields {
		writeGap(b, end, f.Offset)
		fmt.Fprintf(b, "| %d | %d | %s | `%s` | %s |\n", f.Offset, f.Size, f.Type, f.Name, f.Doc)
		end = f.Offset + f.Size
	}
	writeGap(b, end, t.Size)
}

// writeGap shows the bytes between two fields, which are zero and stay so.
func writeGap(b *bytes.Buffer, from, to uint64) {
	if from < to {
		fmt.Fprintf(b, "| %d | %d | | | zero |\n", from, to-from)
	}
}
