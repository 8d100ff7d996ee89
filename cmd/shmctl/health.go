package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/manager"
)

// healthVerb is the verb whose exit codes are those of monitoring plugins.
const healthVerb = "health"

// healthOptions are the flags of health.
type healthOptions struct {
	samples  int
	interval time.Duration
	json     bool
}

func newHealthCmd(a *app) *cobra.Command {
	var o healthOptions
	cmd := &cobra.Command{
		Use:     "health [NAME...]",
		Aliases: []string{"check"},
		Short:   "Say how well channels are, as a monitoring plugin does",
		Long: `Health says of all channels of the directory, or of those named, whether they are
healthy, degraded or unhealthy, and why: who died without a successor, who is stopped or stuck,
what is full or will be soon. It takes part in none of them and disturbs nobody.

The output and the exit codes are those of a monitoring plugin: 0 OK, 1 WARNING (degraded),
2 CRITICAL (unhealthy or damaged), 3 UNKNOWN (no such channel, or it cannot be looked at). The
worst one decides, in the order CRITICAL, WARNING, UNKNOWN, OK. The first line says it all, with
the slots in use of each channel behind the bar; a line for each channel follows.

Without names, what there is counts: a channel that is missing is no failure. Name those that
have to be there. It looks several times, --interval apart, to tell when a channel will be full
if it goes on so: the longer, the steadier.`,
		Example: `  shmctl health
  shmctl health requests tokens --samples 5 --interval 1s
  shmctl check --json | jq -r '.channels[] | select(.status != "healthy") | .reasons[]'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeChannels,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.samples < 1:
				return usagef("--samples %d: want at least 1", o.samples)
			case o.interval < 0:
				return usagef("--interval %s is negative", o.interval)
			}
			return a.health(cmd.Context(), args, o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.samples, "samples", 2, "how often to look")
	flags.DurationVar(&o.interval, "interval", 200*time.Millisecond, "time between two looks")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// A verdictError is what health or doctor found, as an exit code. It is said already, and no
// failure of the verb.
type verdictError int

func (v verdictError) Error() string { return fmt.Sprintf("verdict %d", int(v)) }

// cannotCheck tells a monitoring system that nothing could be found out.
func (a *app) cannotCheck(cmd *cobra.Command, err error) int {
	if stopped, ok := errors.AsType[*signalError](err); ok {
		return exitSignal + int(stopped.sig)
	}
	if asJSON, _ := cmd.Flags().GetBool("json"); !asJSON {
		_ = a.print("CHANNELS UNKNOWN - " + plain(oneLine(err)) + "\n") // the code says it too
	}
	return checkUnknown
}

func (a *app) health(ctx context.Context, names []string, o healthOptions) error {
	all := len(names) == 0
	if all {
		entries, err := channel.List(a.segmentDir())
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !isEvent(e) && !strings.HasPrefix(e.Name, manager.LockPrefix) {
				names = append(names, e.Name)
			}
		}
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	found, err := a.inspect(ctx, names, o)
	if err != nil {
		return err
	}
	if all {
		found = slices.DeleteFunc(found, checked.missing) // it went meanwhile
	}
	slices.SortStableFunc(found, checked.worse)
	code := checkOK
	if len(found) > 0 {
		code = found[0].code()
	}
	if o.json {
		err = a.printJSON(newHealthJSON(code, found))
	} else {
		err = a.print(healthText(code, found))
	}
	if err != nil && !errors.Is(err, errReaderGone) {
		return err
	}
	return verdictError(code)
}

// inspect looks at channels as often as wanted, and returns the last looks.
func (a *app) inspect(
	ctx context.Context, names []string, o healthOptions,
) (found []checked, err error) {
	m, err := manager.New(manager.Options{Dir: a.segmentDir()})
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, m.Close()) }()
	spec := manager.Spec{Options: channel.Options{OpenOptions: a.openOptions()}}
	spec.ReadOnly = true
	for _, name := range names {
		if err := m.Declare(name, spec); err != nil {
			return nil, usagef("%q is no name of a channel: %v", name, err)
		}
	}
	for i := range o.samples {
		if i > 0 && !pause(ctx, o.interval) {
			return nil, context.Cause(ctx)
		}
		found = found[:0]
		for _, name := range names {
			c := checked{Health: manager.Health{Name: name}}
			err := guarded(func() (err error) { c.Health, err = m.Health(ctx, name); return err })
			switch {
			case ctx.Err() != nil:
				return nil, context.Cause(ctx)
			case err != nil:
				c.Name, c.ErrorOfInspector = name, err
			}
			found = append(found, c)
		}
	}
	return found, nil
}

// pause waits; false: the context ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// checked is what was found of one channel.
type checked struct{ manager.Health }

// missing reports whether there is no channel of that name.
func (c checked) missing() bool {
	return c.ErrorOfInspector == nil && c.Status == manager.Healthy && c.State == 0
}

// code is the exit code for this channel alone.
func (c checked) code() int {
	err := c.ErrorOfInspector
	switch {
	case errors.Is(err, channel.ErrCorrupt), errors.Is(err, channel.ErrFault):
		return checkCritical // it was looked at, and this is what was seen
	case err != nil, c.missing():
		return checkUnknown
	case c.Status == manager.Unhealthy:
		return checkCritical
	case c.Status == manager.Degraded:
		return checkWarning
	}
	return checkOK
}

// worse compares for sorting, the worst first.
func (c checked) worse(other checked) int {
	order := [...]int{checkCritical: 0, checkWarning: 1, checkUnknown: 2, checkOK: 3}
	return order[c.code()] - order[other.code()]
}

// status is the manager's word, or unknown.
func (c checked) status() string {
	switch c.code() {
	case checkCritical:
		return manager.Unhealthy.String()
	case checkUnknown:
		return "unknown"
	}
	return c.Status.String()
}

// reasons are the manager's, or why it could not judge.
func (c checked) reasons() []string {
	switch {
	case c.missing():
		return []string{"no such channel"}
	case len(c.Reasons) == 0 && c.ErrorOfInspector != nil:
		return []string{fmt.Sprintf("cannot be looked at: %v", c.ErrorOfInspector)}
	}
	return c.Reasons
}
