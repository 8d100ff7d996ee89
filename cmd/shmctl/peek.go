package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/ring"
	"shmring/shm"
)

// peekOptions are the flags of peek.
type peekOptions struct {
	count int
	hex   bool
	raw   bool
	json  bool
}

func newPeekCmd(a *app) *cobra.Command {
	var o peekOptions
	cmd := &cobra.Command{
		Use:   "peek NAME",
		Short: "Show messages that are there, and take none",
		Long: `Peek shows the oldest messages that are in the channel, a line each, and takes
none: the segment is mapped read-only, and nobody notices.

The receiver may take a message, and a sender write over its room, while peek copies it. So
after the copy it looks at the commit word and the head again, and shows only what had not
moved: whole messages, which were in the channel at that moment. Those that were taken meanwhile
are counted on the standard error, as are slots that are reserved and not committed. The first
ones may be in the receiver's hands already.`,
		Example: `  shmctl peek q
  shmctl peek q -n 1 --hex
  shmctl peek q -n 0 --json | jq -r .text`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.count < 0 {
				return usagef("--count %d: want 1 or more, or 0 for all", o.count)
			}
			return a.peek(cmd.Context(), args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&o.count, "count", "n", 10, "most messages to show; 0: all")
	flags.BoolVar(&o.hex, "hex", false, "write position, size and bytes of each message in hex")
	flags.BoolVar(&o.raw, "raw", false, "write the bytes of the messages and nothing else")
	flags.BoolVar(&o.json, "json", false, "write a JSON object a line for each message")
	cmd.MarkFlagsMutuallyExclusive("hex", "raw", "json")
	return cmd
}

// A peeking is one run of peek, and what it came across.
type peeking struct {
	a         *app
	o         peekOptions
	timed     bool // messages keep their time
	shown     int
	taken     uint64
	holes     int
	firstHole uint64
	out       []byte
}

func (a *app) peek(ctx context.Context, name string, o peekOptions) error {
	p := peeking{a: a, o: o}
	err := a.withRing(ctx, "peek", name, p.all)
	if werr := a.print(string(p.out)); err == nil {
		err = werr
	}
	if err == nil {
		p.notes(name)
	}
	return err
}

// withRing runs f with the ring of a channel, mapped read-only.
func (a *app) withRing(
	ctx context.Context, op, name string, f func(*layout.View, *ring.Ring) error,
) error {
	seg, err := shm.Open(ctx, shm.OpenOptions{Dir: a.segmentDir(), Name: name, ReadOnly: true})
	if err == nil {
		err = seg.Guard(func() error {
			v := seg.View()
			if v.Kind != layout.KindChannel {
				return fmt.Errorf("%w: it is an event, shmctl event show %s shows it",
					channel.ErrLayout, name)
			}
			return f(v, ring.New(v))
		})
		err = errors.Join(err, seg.Close())
	}
	if errors.Is(err, ring.ErrCorrupt) {
		err = fmt.Errorf("%w: %w", channel.ErrCorrupt, err)
	}
	if err != nil {
		err = &channel.OpError{Op: op, Name: name, Err: err}
	}
	return err
}

// all shows the messages from the head on.
func (p *peeking) all(v *layout.View, r *ring.Ring) error {
	p.timed = v.Options&layout.OptTimestamps != 0
	pos := r.Head().Slot
	for n := uint64(0); n < v.SlotCount && (p.o.count == 0 || p.shown < p.o.count); n++ {
		g, err := r.Peek(pos, math.MaxInt)
		switch {
		case errors.Is(err, ring.ErrEmpty):
			return nil
		case errors.Is(err, ring.ErrTaken):
			p.taken++
		case errors.Is(err, ring.ErrHole):
			if p.holes++; p.holes == 1 {
				p.firstHole = pos
			}
		case err != nil:
			return fmt.Errorf("position %d: %w", pos, err)
		case g.Word.Kind() != layout.SlotAborted:
			if err := p.show(pos, g); err != nil {
				return err
			}
		}
		pos++
	}
	return nil
}

// show appends one message to the output.
func (p *peeking) show(pos uint64, g ring.Glance) error {
	p.shown++
	switch {
	case p.o.hex:
		p.out = appendHex(p.out, pos, len(g.Bytes), g.Bytes)
	case p.o.raw:
		p.out = append(p.out, g.Bytes...)
	case p.o.json:
		j := peekJSON{Position: pos, Size: len(g.Bytes)}
		if p.timed {
			sent := time.Unix(0, g.SentNs).UTC()
			j.Sent = &sent
		}
		j.Text, j.Data = textOrData(g.Bytes)
		line, err := json.Marshal(j)
		if err != nil {
			return fmt.Errorf("message %d as JSON: %w", pos, err)
		}
		p.out = append(append(p.out, line...), '\n')
	default:
		p.out = append(append(p.out, g.Bytes...), '\n')
	}
	return nil
}

// peekJSON is a line of peek --json.
type peekJSON struct {
	Position uint64     `json:"position" doc:"in the channel"`
	Size     int        `json:"size" doc:"bytes"`
	Sent     *time.Time `json:"sent,omitempty" doc:"of channels with timestamps"`
	Text     *string    `json:"text,omitempty" doc:"the payload, if it is UTF-8"`
	Data     []byte     `json:"data,omitempty" doc:"the payload, if it is not"`
}

// notes says what was not shown.
func (p *peeking) notes(name string) {
	note := func(format string, args ...any) {
		_, _ = fmt.Fprintf(p.a.stderr, format+"\n", args...) // only a notice
	}
	if p.taken > 0 {
		note("%d slots were taken while peek looked at them, and are not shown", p.taken)
	}
	if p.holes > 0 {
		note("%d slots are reserved and not committed, the first at position %d: nothing behind "+
			"it is received before; shmctl ps %s shows whose", p.holes, p.firstHole, name)
	}
}
