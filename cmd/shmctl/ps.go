package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/shm"
)

func newPsCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ps [NAME...]",
		Short: "List who takes part, in all channels",
		Long: `Ps lists the participants of all channels and events of the directory, or of those
named: a line each, with what each one does, in the words of the errors of a deadline. It takes
part in none and disturbs nobody. Who is dead here was not settled yet.`,
		Example: `  shmctl ps
  shmctl ps requests tokens
  shmctl ps --json | jq -r '.[] | select(.condition == "stopped") | .pid'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ps(cmd.Context(), args, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) ps(ctx context.Context, names []string, asJSON bool) error {
	for _, name := range names {
		if err := shm.CheckName(name); err != nil {
			return err
		}
	}
	entries, err := channel.List(a.segmentDir())
	if err != nil {
		return err
	}
	var failed severalErrors
	for _, name := range names {
		if !slices.ContainsFunc(entries, func(e channel.Entry) bool { return e.Name == name }) {
			failed = append(failed, &channel.OpError{Op: "ps", Name: name, Err: fs.ErrNotExist})
		}
	}
	list := []psJSON{}
	t := newTable("CHANNEL", "ROLE", ">PID", "NAME", "SINCE", ">HELD", "DOING")
	for _, e := range entries {
		if len(names) > 0 && !slices.Contains(names, e.Name) {
			continue
		}
		v := a.lookAny(ctx, e)
		if v.err != nil && len(names) > 0 {
			failed = append(failed, v.err)
		}
		for i, j := range newParticipantsJSON(&v) {
			list = append(list, psJSON{e.Name, j})
			p := v.participants[i]
			t.row(e.Name, j.Role, fmt.Sprint(j.PID), j.Comm, humanize.Time(p.Since),
				fmt.Sprint(j.Held), j.Doing)
		}
	}
	switch {
	case asJSON:
		err = a.printJSON(list)
	case !t.empty():
		err = a.print(t.String())
	}
	if len(failed) > 0 {
		return failed
	}
	return err
}

// lookAny is look that sees who takes part in events, too.
func (a *app) lookAny(ctx context.Context, e channel.Entry) view {
	if !isEvent(e) {
		return a.look(ctx, e)
	}
	v := view{entry: e, state: "event"}
	v.err = guarded(func() error {
		o := a.openOptions()
		o.ReadOnly = true
		event, err := channel.OpenEvent(ctx, e.Name, o)
		if err != nil {
			return err
		}
		v.participants = event.Participants()
		return event.Close()
	})
	if errors.Is(v.err, fs.ErrNotExist) {
		v.err = nil // it went meanwhile
	}
	return v
}

// psJSON is an element of ps --json.
type psJSON struct {
	Channel string `json:"channel" doc:"or event"`
	participantJSON
}
