package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"shmring/channel"
)

func newEventCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "event",
		Short: "Signal, await and show events",
		Long: `An event is a named sequence number with the value of the last signal, for any
number of processes. It is no queue: of several signals the last is seen, and the sequence tells
how many there were.`,
		Example: `  shmctl event signal config v2
  shmctl event wait config --since 0
  shmctl event wait config --timeout 10s`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("no verb %q; shmctl help event lists them", args[0])
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEventSignalCmd(a), newEventWaitCmd(a), newEventShowCmd(a))
	return cmd
}

func newEventSignalCmd(a *app) *cobra.Command {
	var ephemeral, asJSON bool
	cmd := &cobra.Command{
		Use:   "signal NAME [VALUE]",
		Short: "Give an event a new value and wake all who wait for it",
		Long: fmt.Sprintf(`Signal makes VALUE (at most %d bytes; empty if left out) the value
of the event, increments its sequence, wakes all who wait, and prints the sequence. It waits for
nobody. It makes the event if there is none; that one stays until rm, unless --ephemeral is given.`,
			channel.MaxEventValue),
		Example:           `  shmctl event signal config "level=debug"`,
		Args:              named(0, 1),
		ValidArgsFunction: a.completeEvent,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := a.openEvent(cmd.Context(), args[0], ephemeral)
			if err != nil {
				return err
			}
			value := ""
			if len(args) > 1 {
				value = args[1]
			}
			seq, err := e.Signal([]byte(value))
			if err != nil {
				return first(err, e.Close())
			}
			if asJSON {
				err = a.printJSON(newSignalJSON(e, seq, []byte(value)))
			} else {
				err = a.print(fmt.Sprintln(seq))
			}
			return first(err, e.Close())
		},
	}
	eventFlags(cmd, &ephemeral, &asJSON)
	return cmd
}

func newEventWaitCmd(a *app) *cobra.Command {
	var ephemeral, asJSON bool
	var since uint64
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait NAME",
		Short: "Wait for a signal",
		Long: `Wait waits until the event is signalled and prints its sequence, a blank and its
value. With --since it waits until the sequence is beyond N, and returns at once if it is: give it
the sequence of the last call and no change is missed. It makes the event if there is none; that
one stays until rm, unless --ephemeral is given.`,
		Example: `  shmctl event wait config
  seq=0; while line=$(shmctl event wait config --since $seq); do seq=${line%% *}; …; done`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeEvent,
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout < 0 {
				return usagef("--timeout %s is negative", timeout)
			}
			ctx, cancel := bounded(cmd.Context(), timeout)
			defer cancel()
			e, err := a.openEvent(ctx, args[0], ephemeral)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("since") {
				since, _, err = e.Load()
			}
			var value []byte
			if err == nil {
				since, value, err = e.Wait(ctx, since)
			}
			if err != nil {
				return first(err, e.Close())
			}
			if asJSON {
				err = a.printJSON(newSignalJSON(e, since, value))
			} else {
				err = a.print(fmt.Sprintf("%d %s\n", since, value))
			}
			return first(err, e.Close())
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&since, "since", 0, "sequence that is known (default the present one)")
	flags.DurationVar(&timeout, "timeout", 0, "longest wait for a signal (default for ever)")
	eventFlags(cmd, &ephemeral, &asJSON)
	return cmd
}

func eventFlags(cmd *cobra.Command, ephemeral, asJSON *bool) {
	cmd.Flags().BoolVar(ephemeral, "ephemeral", false,
		"if it makes the event: remove it with the last who has it open")
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

// openEvent opens an event as it is, or makes it.
func (a *app) openEvent(
	ctx context.Context, name string, ephemeral bool,
) (*channel.Event, error) {
	o := channel.EventOptions{OpenOptions: a.openOptions(), Lifetime: channel.Persistent}
	if ephemeral {
		o.Lifetime = channel.Ephemeral
	}
	for {
		e, err := channel.OpenEvent(ctx, name, o.OpenOptions)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, channel.ErrStale) {
			return e, err
		}
		e, err = channel.OpenOrCreateEvent(ctx, name, o)
		if !errors.Is(err, channel.ErrLayout) {
			return e, err
		}
		// Somebody made it with another number of places meanwhile. That will do.
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// signalJSON is what event signal --json and event wait --json print.
type signalJSON struct {
	Name     string `json:"name"`
	Path     string `json:"path" doc:"of the file"`
	Instance string `json:"instance" doc:"hexadecimal"`
	valueJSON
}

// valueJSON is a sequence and its value.
type valueJSON struct {
	Sequence uint64  `json:"sequence" doc:"of signals"`
	Size     int     `json:"size" doc:"bytes of the value"`
	Text     *string `json:"text,omitempty" doc:"the value, if it is UTF-8"`
	Data     []byte  `json:"data,omitempty" doc:"the value, if it is not"`
}

func newSignalJSON(e *channel.Event, seq uint64, value []byte) signalJSON {
	return signalJSON{
		Name: e.Name(), Path: e.Path(), Instance: instanceText(e.Instance()),
		valueJSON: newValueJSON(seq, value),
	}
}

func newValueJSON(seq uint64, value []byte) valueJSON {
	j := valueJSON{Sequence: seq, Size: len(value)}
	if utf8.Valid(value) {
		text := string(value)
		j.Text = &text
	} else {
		j.Data = value
	}
	return j
}
