package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/shm"
)

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	fix  bool
	json bool
}

func newDoctorCmd(a *app) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine this machine and the directory of segments",
		Long: `Doctor examines what channels need of this machine (kernel, shared memory, limits,
settings that remove files, processors) and what lies in the directory of segments (leftovers,
damaged files, other versions, locks that nobody should hold). Each finding is ok, warn or fail;
what is not ok has its remedy. It takes part in nothing and disturbs nobody; health says how the
channels themselves are.

With --fix it does what is safe: it removes the leftovers that gc would remove without flags.

It returns 0 if all is ok, 10 if there are warnings, 11 if something failed.`,
		Example: `  shmctl doctor
  shmctl doctor --fix
  shmctl doctor --json | jq -r '.findings[] | select(.status != "ok") | .remedy'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("doctor takes no arguments; shmctl health %s is about one channel",
					args[0])
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.doctor(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.fix, "fix", false, "remove leftovers, as gc does")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// Statuses of a finding, from good to bad.
const (
	findingOK   = "ok"
	findingWarn = "warn"
	findingFail = "fail"
)

// A finding is one thing that was examined. Its fields are those of doctor --json.
type finding struct {
	Check  string `json:"check" doc:"what was examined"`
	Status string `json:"status" doc:"ok, warn, fail"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy" doc:"empty if ok"`
}

func well(check, detail string) finding { return finding{check, findingOK, detail, ""} }

func warn(check, detail, remedy string) finding {
	return finding{check, findingWarn, detail, remedy}
}

func fail(check, detail, remedy string) finding {
	return finding{check, findingFail, detail, remedy}
}

// A doctor examines one directory of segments on one machine.
type doctor struct {
	a    *app
	dir  string // of segments
	root string // before /proc, /sys, /etc and /run: empty but in tests
}

func (a *app) doctor(ctx context.Context, o doctorOptions) error {
	d := doctor{a: a, dir: a.segmentDir()}
	if d.dir == "" {
		d.dir = shm.DefaultDir
	}
	var sweeps []sweep
	if o.fix {
		var err error
		if sweeps, err = d.fix(ctx); err != nil {
			return err
		}
	}
	found := d.examine(ctx)
	var err error
	if o.json {
		err = a.printJSON(newDoctorJSON(found, sweeps))
	} else {
		err = a.print(doctorText(found, sweeps))
	}
	if err != nil && !errors.Is(err, errReaderGone) {
		return err
	}
	return doctorVerdict(found)
}

// examine makes every examination.
func (d *doctor) examine(ctx context.Context) []finding {
	var found []finding
	for _, f := range []func(context.Context) []finding{
		d.kernel, d.directory, d.memory, d.limits, d.settings, d.processors, d.segments, d.locks,
	} {
		found = append(found, f(ctx)...)
	}
	return found
}

// fix removes leftovers. What was spared is examined afterwards.
func (d *doctor) fix(ctx context.Context) ([]sweep, error) {
	entries, err := channel.List(d.dir)
	if err != nil {
		return nil, err
	}
	var removed []sweep
	var failed severalErrors
	for _, e := range entries {
		s, err := d.a.sweep(ctx, e, gcOptions{})
		switch {
		case err != nil:
			failed = append(failed, err)
		case s.action == gcRemoved:
			removed = append(removed, s)
		}
	}
	if len(failed) > 0 {
		return removed, failed
	}
	return removed, nil
}

// Exit codes of doctor besides 0.
const (
	exitWarned = 10
	exitUnfit  = 11
)

// doctorVerdict is the exit code for findings.
func doctorVerdict(found []finding) error {
	switch worstFinding(found) {
	case findingFail:
		return verdictError(exitUnfit)
	case findingWarn:
		return verdictError(exitWarned)
	}
	return nil
}

func worstFinding(found []finding) string {
	worst := findingOK
	for _, f := range found {
		if f.Status == findingFail || worst == findingOK {
			worst = f.Status
		}
		if worst == findingFail {
			break
		}
	}
	return worst
}

func doctorText(found []finding, sweeps []sweep) string {
	var b strings.Builder
	for _, s := range sweeps {
		b.WriteString("removed " + s.entry.Name + ": " + s.reason + "\n")
	}
	t := newTable("CHECK", "STATUS", "FOUND")
	for _, f := range found {
		detail := f.Detail
		if f.Remedy != "" {
			detail += ": " + f.Remedy
		}
		t.row(f.Check, f.Status, strings.ReplaceAll(detail, "\n", "; "))
	}
	return b.String() + t.String()
}

// doctorJSON is what doctor --json prints.
type doctorJSON struct {
	Status   string      `json:"status" doc:"the worst: ok, warn, fail"`
	Findings []finding   `json:"findings"`
	Removed  []sweepJSON `json:"removed" doc:"with --fix"`
}

func newDoctorJSON(found []finding, sweeps []sweep) doctorJSON {
	return doctorJSON{
		Status: worstFinding(found), Findings: found, Removed: sweepsJSON(sweeps),
	}
}
