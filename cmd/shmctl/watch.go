package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"shmring/channel"
)

func newWatchCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "watch NAME",
		Short: "Show every change of a channel as it happens",
		Long: `Watch prints a line for every change: of the channel's state, and of those who take
part (joined, left, died). It begins with the present state and everybody who is there, and ends
with 0 when the channel is CLOSED. In between it sleeps.

Watch takes no part and no place, but it is attached: it learns of deaths at once and settles
them, and an ephemeral channel stays at least as long as somebody watches it. Changes that follow
each other closely may be seen as one.`,
		Example: `  shmctl watch q
  shmctl watch q --json | jq --unbuffered -r 'select(.kind == "died") | .comm'`,
		Args:              named(0, 0),
		ValidArgsFunction: a.completeName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.watch(cmd.Context(), args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object a line for each change")
	return cmd
}

func (a *app) watch(ctx context.Context, name string, asJSON bool) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p, err := newPoller(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	out := newOutput(a.stdout, p)
	stop, err := out.onGone(cancel)
	if err != nil {
		return err
	}
	defer stop()
	ch, err := channel.Open(ctx, name, a.openOptions())
	if err != nil {
		return err
	}
	defer func() { err = first(err, leave(ch)) }()
	line := changeText
	if asJSON {
		line = changeLine
	}
	for c, err := range ch.Watch(ctx) {
		if err != nil {
			return err
		}
		if c.At.IsZero() || c.At.Unix() == 0 {
			c.At = time.Now() // a state that nobody recorded: this is when it was seen
		}
		text, err := line(c)
		if err != nil {
			return err
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// stampLayout is a time for people who compare lines.
const stampLayout = "2006-01-02 15:04:05.000"

// changeText is a line for a person.
func changeText(c channel.Change) ([]byte, error) {
	text := c.At.Format(stampLayout) + "  " + fmt.Sprintf("%-6s", c.Kind) + "  "
	who := fmt.Sprintf("%s pid %d (%s)", c.Role, c.PID, c.Comm)
	if c.Kind != channel.StateChanged {
		return []byte(text + who + "\n"), nil
	}
	text += c.State.String()
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	if c.PID != 0 {
		text += ", by " + who
	}
	return []byte(text + "\n"), nil
}

// changeJSON is a line of watch --json.
type changeJSON struct {
	Kind   string    `json:"kind" doc:"state, joined, left, died"`
	State  string    `json:"state" doc:"after it"`
	Reason string    `json:"reason" doc:"of the state"`
	Role   string    `json:"role" doc:"of who came, went or changed the state"`
	PID    uint32    `json:"pid"`
	Comm   string    `json:"comm" doc:"name of the process"`
	Claim  uint64    `json:"claim" doc:"unique in the life of the channel"`
	At     time.Time `json:"at"`
}

func changeLine(c channel.Change) ([]byte, error) {
	line, err := json.Marshal(changeJSON{
		Kind: c.Kind.String(), State: c.State.String(), Reason: c.Reason, Role: c.Role.String(),
		PID: c.PID, Comm: c.Comm, Claim: c.Instance, At: c.At.UTC(),
	})
	if err != nil {
		return nil, fmt.Errorf("change as JSON: %w", err)
	}
	return append(line, '\n'), nil
}
