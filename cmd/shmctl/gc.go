package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/ring"
	"shmring/shm"
	"shmring/state"
)

// gcOptions are the flags of gc.
type gcOptions struct {
	dryRun     bool
	unread     bool
	persistent bool
	foreign    bool
	json       bool
}

func newGCCmd(a *app) *cobra.Command {
	var o gcOptions
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what nobody is attached to and nobody will miss",
		Long: `Gc removes every ephemeral channel and event of the directory that nobody is
attached to, and says what it did with each and why. It spares channels with unread messages or
an end that nobody received (--unread takes them), persistent ones (--persistent) and segments
of another layout (--foreign). Damaged files are left to rm --force.

What somebody living is attached to is never removed, whatever the flags: that is asked once
more under the segment's lock, and the kernel answers it.`,
		Example: `  shmctl gc --dry-run
  shmctl gc --unread --persistent`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("gc takes no arguments; shmctl rm %s removes one channel", args[0])
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.gc(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&o.dryRun, "dry-run", "n", false, "only say what would be done")
	flags.BoolVar(&o.unread, "unread", false, "also channels with unread messages or end")
	flags.BoolVar(&o.persistent, "persistent", false, "also what was made to stay")
	flags.BoolVar(&o.foreign, "foreign", false, "also segments of another layout")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func (a *app) gc(ctx context.Context, o gcOptions) error {
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return err
	}
	sweeps := make([]sweep, 0, len(entries))
	var failed severalErrors
	for _, e := range entries {
		if ctx.Err() != nil {
			failed = append(failed, context.Cause(ctx))
			break
		}
		s, err := a.sweep(ctx, e, o)
		if err != nil {
			failed = append(failed, err)
		}
		sweeps = append(sweeps, s)
	}
	if o.json {
		err = a.printJSON(sweepsJSON(sweeps))
	} else {
		err = a.print(sweepsText(sweeps))
	}
	if len(failed) > 0 {
		return failed
	}
	return err
}

// What gc does with a segment.
const (
	gcRemoved   = "removed"
	gcRemovable = "removable" // in a dry run
	gcSpared    = "spared"
	gcFailed    = "failed"
)

// A sweep is what gc did with one segment, and why.
type sweep struct {
	entry  channel.Entry
	action string
	reason string
}

// sweep decides about one segment and carries that out. The decision is made without a
// lock; whoever came meanwhile is found by the remove, which asks again under the lock.
func (a *app) sweep(ctx context.Context, e channel.Entry, o gcOptions) (sweep, error) {
	s := sweep{entry: e, action: gcSpared}
	take, reason := a.expendable(ctx, e, o)
	s.reason = reason
	switch {
	case !take:
		return s, nil
	case o.dryRun:
		s.action = gcRemovable
		return s, nil
	}
	err := a.collect(ctx, e, o)
	switch {
	case err == nil:
		s.action = gcRemoved
	case errors.Is(err, fs.ErrNotExist):
		s.reason = "it went meanwhile"
	case ctx.Err() == nil && (errors.Is(err, channel.ErrBusy) || errors.Is(err, fs.ErrPermission)):
		s.reason = oneLine(err)
	default:
		s.action, s.reason = gcFailed, oneLine(err)
		return s, err
	}
	return s, nil
}

// collect removes a segment as the library allows.
func (a *app) collect(ctx context.Context, e channel.Entry, o gcOptions) error {
	if foreign(e.Err) {
		err := shm.RemoveForeign(ctx, a.segmentDir(), e.Name)
		if err != nil {
			return &channel.OpError{Op: "gc", Name: e.Name, Err: err}
		}
		return nil
	}
	return channel.Remove(ctx, e.Name, channel.RemoveOptions{
		Dir: a.segmentDir(), Unread: o.unread,
	})
}

// foreign reports whether an entry is a segment of another layout, not a damaged one.
func foreign(err error) bool {
	bad, ok := errors.AsType[*layout.HeaderError](err)
	return ok && bad.Foreign
}

// expendable decides whether gc takes a segment, and says why or why not.
func (a *app) expendable(ctx context.Context, e channel.Entry, o gcOptions) (bool, string) {
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return false, "permission denied"
	case e.Attached:
		return false, "somebody is attached"
	case unix.Access(e.Path, unix.R_OK|unix.W_OK) != nil:
		return false, fmt.Sprintf("permission denied: it belongs to uid %d", e.UID)
	case foreign(e.Err) && !o.foreign:
		return false, "of another layout: --foreign takes it"
	case foreign(e.Err):
		return true, "nobody is attached, of another layout"
	case e.Err != nil:
		return false, "damaged: shmctl rm --force removes it"
	case e.Geometry.Options&layout.OptPersistent != 0 && !o.persistent:
		return false, "persistent: --persistent takes it"
	case e.Header.Kind == layout.KindEvent:
		return true, "nobody is attached"
	}
	n, ended, err := a.unread(ctx, e.Name)
	switch {
	case o.unread && err == nil && n > 0:
		return true, fmt.Sprintf("nobody is attached, %s unread", humanize.Comma(int64(n)))
	case o.unread:
		return true, "nobody is attached"
	case err != nil:
		return false, oneLine(err)
	case n > 0:
		return false, fmt.Sprintf("%s unread: --unread takes it", humanize.Comma(int64(n)))
	case ended:
		return false, "its end is unread: --unread takes it"
	}
	return true, "nobody is attached, nothing is unread"
}

// unread counts the messages that nobody has received, as a remove does, and tells whether
// the end of a sealed channel is still to be received.
func (a *app) unread(ctx context.Context, name string) (n uint64, ended bool, err error) {
	seg, err := shm.Open(ctx, shm.OpenOptions{Dir: a.segmentDir(), Name: name, ReadOnly: true})
	if err != nil {
		return 0, false, &channel.OpError{Op: "gc", Name: name, Err: err}
	}
	err = seg.Guard(func() error {
		v := seg.View()
		ended = state.New(v.Control).Load().State() == state.Draining
		n, err = ring.New(v).Unread()
		return err
	})
	if err = errors.Join(err, seg.Close()); err != nil {
		err = &channel.OpError{Op: "gc", Name: name, Err: err}
	}
	return n, ended, err
}

func sweepsText(sweeps []sweep) string {
	t := newTable("NAME", "ACTION", ">SIZE", "WHY")
	for _, s := range sweeps {
		t.row(s.entry.Name, s.action, humanize.IBytes(uint64(s.entry.Size)), s.reason)
	}
	if t.empty() {
		return ""
	}
	return t.String()
}

// sweepJSON is an element of gc --json.
type sweepJSON struct {
	Name   string `json:"name"`
	Path   string `json:"path" doc:"of the file"`
	Size   int64  `json:"size" doc:"bytes of the file"`
	Action string `json:"action" doc:"removed, removable (a dry run), spared, failed"`
	Reason string `json:"reason"`
}

func sweepsJSON(sweeps []sweep) []sweepJSON {
	list := make([]sweepJSON, len(sweeps))
	for i, s := range sweeps {
		list[i] = sweepJSON{
			Name: s.entry.Name, Path: s.entry.Path, Size: s.entry.Size, Action: s.action,
			Reason: s.reason,
		}
	}
	return list
}
