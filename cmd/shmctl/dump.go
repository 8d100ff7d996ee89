package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/ring"
	"shmring/shm"
)

// dumpOptions are the flags of dump.
type dumpOptions struct {
	payload bool
	slots   int
	json    bool
}

func newDumpCmd(a *app) *cobra.Command {
	var o dumpOptions
	cmd := &cobra.Command{
		Use:   "dump NAME",
		Short: "Print the words of a segment, for a bug report",
		Long: `Dump prints the words of a segment that are not zero: header, control,
participants, deaths, and the slots in use with their commit words. Payloads are printed with
--payload only. It reads the file without attaching, also of a damaged segment or one of another
version, as far as the file goes. Programs that work meanwhile make it no picture of one
instant.

docs/LAYOUT.md explains the words. Besides payloads there are in it: names, pids and uids, the
texts of reasons and busy notes.`,
		Example: `  shmctl dump q > report.txt
  shmctl dump q --payload --slots 16
  shmctl dump q --json | jq '.slots[] | select(.kind == "none")'`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.slots < 0 {
				return usagef("--slots %d: want 1 or more, or 0 for all", o.slots)
			}
			return a.dump(cmd.Context(), args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.payload, "payload", false, "also the first bytes of each message")
	flags.IntVar(&o.slots, "slots", 1024, "most slots to print; 0: all")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// A dumped is what dump found. Its fields are those of dump --json.
type dumped struct {
	Name   string      `json:"name"`
	Path   string      `json:"path" doc:"of the file"`
	Size   int64       `json:"size" doc:"bytes of the file"`
	Error  string      `json:"error" doc:"why it is no segment of ours, or what is wrong with it"`
	Tables []dumpTable `json:"tables"`
	Slots  []dumpSlot  `json:"slots" doc:"of the ring, those in use"`
}

// A dumpSlot is one slot in use.
type dumpSlot struct {
	Position uint64 `json:"position"`
	Commit   string `json:"commit" doc:"the word, hexadecimal"`
	Kind     string `json:"kind" doc:"none, inline, arena, aborted"`
	Length   uint32 `json:"length" doc:"bytes"`
	State    string `json:"state" doc:"committed, reserved, taken, or what is wrong"`
	Payload  []byte `json:"payload,omitempty" doc:"the first bytes, with --payload"`
}

// payloadMost is how much of a payload is printed.
const payloadMost = 256

func (a *app) dump(ctx context.Context, name string, o dumpOptions) error {
	if err := shm.CheckName(name); err != nil {
		return err
	}
	e, err := a.find(name)
	if err != nil {
		return err
	}
	if errors.Is(e.Err, fs.ErrPermission) {
		return &channel.OpError{Op: "dump", Name: name, Err: e.Err}
	}
	d := dumped{
		Name: name, Path: e.Path, Size: e.Size, Tables: []dumpTable{}, Slots: []dumpSlot{},
	}
	if e.Err != nil {
		d.Error = e.Err.Error()
	}
	if err := d.words(e); err != nil {
		return err
	}
	if e.Err == nil && !isEvent(e) {
		if err := a.withRing(ctx, "dump", name, d.ring(o)); err != nil {
			d.Error = explain(err)
		}
	}
	if o.json {
		return a.printJSON(d)
	}
	return a.print(d.text())
}

// words reads the tables of the segment as far as the file goes.
func (d *dumped) words(e channel.Entry) error {
	f, err := os.Open(e.Path)
	if err != nil {
		return &channel.OpError{Op: "dump", Name: e.Name, Err: err}
	}
	defer f.Close() //nolint:errcheck // opened read-only
	page := make([]byte, layout.ControlOff+layout.ControlSize)
	n, err := io.ReadFull(f, page)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return &channel.OpError{Op: "dump", Name: e.Name, Err: err}
	}
	d.table("Header", 0, page[:min(n, layout.ControlOff)], -1, 0)
	if n < len(page) || e.Err != nil {
		return nil
	}
	d.table("Control", layout.ControlOff, page[layout.ControlOff:], -1, 0)
	rows := make([]byte, uint64(e.Geometry.MaxParticipants)*layout.ParticipantSize)
	if _, err := f.ReadAt(rows, int64(e.Geometry.ParticipantsOff)); err == nil {
		d.tables("Participant", e.Geometry.ParticipantsOff, rows, layout.ParticipantSize)
	}
	deaths := make([]byte, layout.DeathCount*layout.DeathSize)
	if _, err := f.ReadAt(deaths, int64(e.Geometry.DeathsOff)); err == nil {
		d.tables("Death", e.Geometry.DeathsOff, deaths, layout.DeathSize)
	}
	return nil
}

// ring reads the slots in use.
func (d *dumped) ring(o dumpOptions) func(*layout.View, *ring.Ring) error {
	return func(v *layout.View, r *ring.Ring) error {
		pos := r.Head().Slot
		most := v.SlotCount
		if o.slots > 0 {
			most = min(most, uint64(o.slots))
		}
		for range most {
			g, err := r.Peek(pos, payloadMost)
			s := dumpSlot{
				Position: pos, Commit: fmt.Sprintf("%#016x", uint64(g.Word)),
				Kind: kindName(g.Word.Kind()), Length: g.Word.Length(), State: "committed",
			}
			switch {
			case errors.Is(err, ring.ErrEmpty):
				return nil
			case errors.Is(err, ring.ErrTaken):
				s.State = "taken meanwhile"
			case errors.Is(err, ring.ErrHole):
				s.State = "reserved, not committed"
			case err != nil && g.Word == 0:
				return err // of head and tail
			case err != nil:
				s.State = err.Error()
			case o.payload:
				s.Payload = g.Bytes
			}
			d.Slots = append(d.Slots, s)
			pos++
		}
		return nil
	}
}

func kindName(k layout.SlotKind) string {
	return [...]string{
		layout.SlotNone: "none", layout.SlotInline: "inline", layout.SlotArena: "arena",
		layout.SlotAborted: "aborted",
	}[k]
}

func (d *dumped) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "segment %s, %s, %d bytes\n", d.Name, d.Path, d.Size)
	if d.Error != "" {
		fmt.Fprintf(&b, "error   %s\n", d.Error)
	}
	for _, t := range d.Tables {
		b.WriteString(t.text())
	}
	if len(d.Slots) == 0 {
		return b.String()
	}
	b.WriteString("slots\n")
	t := newTable(">POSITION", "COMMIT", "KIND", ">LENGTH", "STATE")
	t.indent = "  "
	for _, s := range d.Slots {
		t.row(fmt.Sprint(s.Position), s.Commit, s.Kind, fmt.Sprint(s.Length), s.State)
	}
	b.WriteString(t.String())
	for _, s := range d.Slots {
		if s.Payload != nil {
			b.Write(appendHex(nil, s.Position, int(s.Length), s.Payload))
		}
	}
	return b.String()
}
