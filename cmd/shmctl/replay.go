package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
)

// replayOptions are the flags of replay.
type replayOptions struct {
	geometry *geometry
	check    bool
	max      bool
	speed    float64
	count    int
	seal     bool
	timeout  time.Duration
	json     bool
}

func newReplayCmd(a *app) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE [NAME]",
		Short: "Send the messages of a recording at their pace",
		Long: `Replay sends the messages that record wrote to FILE (-: the standard input), at the
pace at which they came: each waits until as much time has gone by since the first one as then.
With --speed 10 ten times as fast, with --max without any pause. If the channel is full it waits
for room; what it is late then it catches up.

Every record has its checksum. A file that ends in the middle of a record, as after a kill, is
sent as far as it is whole, and that is said on the standard error. With --check nothing is
sent: replay verifies the file and says what is in it; 7 if it is torn.`,
		Example: `  shmctl replay monday.rec requests
  shmctl replay monday.rec requests --speed 10 --seal
  shmctl replay monday.rec --check`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("which file? shmctl record makes one")
			case len(args) > 2:
				return usagef("%q after the channel", args[2:])
			case o.check && len(args) == 2:
				return usagef("--check sends nothing: leave out %s", args[1])
			case !o.check && len(args) == 1:
				return usagef("to which channel? or --check")
			}
			return nil
		},
		ValidArgsFunction: a.completeFileAndName,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.speed <= 0:
				return usagef("--speed %v: want more than 0; --max makes no pauses", o.speed)
			case o.count < 0:
				return usagef("--count %d: want 1 or more", o.count)
			case o.timeout < 0:
				return usagef("--timeout %s is negative", o.timeout)
			case o.json && !o.check:
				return usagef("--json is for --check")
			}
			if o.check {
				return a.checkRecording(cmd.Context(), args[0], o)
			}
			return a.replay(cmd.Context(), args[0], args[1], o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.check, "check", false, "only verify the file and say what is in it")
	flags.BoolVar(&o.max, "max", false, "make no pauses")
	flags.Float64Var(&o.speed, "speed", 1, "that many times as fast")
	flags.IntVarP(&o.count, "count", "n", 0, "send only that many messages")
	flags.BoolVar(&o.seal, "seal", false, "end the channel after the last message")
	flags.DurationVar(&o.timeout, "timeout", 0, "longest wait for room (default for ever)")
	flags.BoolVar(&o.json, "json", false, "print JSON, with --check")
	cmd.MarkFlagsMutuallyExclusive("max", "speed", "check")
	o.geometry = geometryFlags(flags)
	return cmd
}

// openRecording opens a file of record.
func (a *app) openRecording(p *poller, file string) (*recordReader, func(), error) {
	r, done, err := a.openInput(file)
	if err != nil {
		return nil, nil, err
	}
	records, err := newRecordReader(newInput(r, p))
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	return records, done, nil
}

func (a *app) replay(ctx context.Context, file, name string, o replayOptions) error {
	p, err := newPoller(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	records, done, err := a.openRecording(p, file)
	if err != nil {
		return err
	}
	defer done()
	end := ""
	if o.seal {
		end = "end of " + file
	}
	return a.asSender(ctx, name, o.geometry, o.timeout, end, func(s *sending) error {
		err := s.replay(ctx, records, o)
		if torn, ok := errors.AsType[*tornError](err); ok {
			_, _ = fmt.Fprintf(a.stderr, "%s: %v: not sent\n", file, torn) // only a notice
			err = nil
		}
		return err
	})
}

// replay sends each record when its time has come.
func (s *sending) replay(ctx context.Context, records *recordReader, o replayOptions) error {
	var begin time.Time      // when the first one was sent
	var offset time.Duration // of the first one
	for o.count == 0 || s.sent < o.count {
		m, err := records.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if begin.IsZero() {
			begin, offset = time.Now(), m.since
		}
		due := time.Duration(float64(m.since-offset) / o.speed)
		if wait := due - time.Since(begin); !o.max && wait > 0 && !pause(ctx, wait) {
			return context.Cause(ctx)
		}
		if err := s.put(ctx, [][]byte{m.payload}); err != nil {
			return err
		}
	}
	return nil
}

// recordingJSON is what replay --check --json prints.
type recordingJSON struct {
	Start       time.Time `json:"start"`
	Messages    int       `json:"messages"`
	Bytes       int64     `json:"bytes" doc:"of payloads"`
	Largest     int       `json:"largest" doc:"bytes"`
	Redelivered int       `json:"redelivered" doc:"messages that may be in it twice"`
	DurationNs  int64     `json:"duration_ns" doc:"from the first to the last"`
	Size        int64     `json:"size" doc:"bytes of the header and whole records"`
	Torn        int64     `json:"torn" doc:"bytes behind them"`
}

func (a *app) checkRecording(ctx context.Context, file string, o replayOptions) error {
	p, err := newPoller(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	records, done, err := a.openRecording(p, file)
	if err != nil {
		return err
	}
	defer done()
	j := recordingJSON{Start: records.start.UTC()}
	var begin time.Duration
	for {
		var m record
		if m, err = records.next(); err != nil {
			break
		}
		if j.Messages == 0 {
			begin = m.since
		}
		j.Messages++
		j.Bytes += int64(len(m.payload))
		j.Largest = max(j.Largest, len(m.payload))
		j.DurationNs = int64(m.since - begin)
		if m.redelivered {
			j.Redelivered++
		}
	}
	j.Size = records.at
	torn, isTorn := errors.AsType[*tornError](err)
	switch {
	case isTorn:
		j.Torn = torn.rest
		err = fmt.Errorf("%s: %w", file, err)
	case errors.Is(err, io.EOF):
		err = nil
	default:
		return err
	}
	if o.json {
		return first(a.printJSON(j), err)
	}
	return first(a.print(j.text()), err)
}

func (j recordingJSON) text() string {
	return fmt.Sprintf("%s, %s, the largest %s, in %s from %s\n",
		english.Plural(j.Messages, "message", ""), humanize.IBytes(uint64(j.Bytes)),
		humanize.IBytes(uint64(j.Largest)), shortTime(time.Duration(j.DurationNs)),
		j.Start.Local().Format(time.DateTime))
}
