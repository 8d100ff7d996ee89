package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
)

// A demoResult is what a run gave; its JSON form is part of the command's interface.
type demoResult struct {
	Root       string             `json:"root" doc:"of the tree"`
	Files      uint64             `json:"files" doc:"received"`
	Bytes      uint64             `json:"bytes" doc:"of contents"`
	Elapsed    time.Duration      `json:"elapsed_ns"`
	Lost       uint64             `json:"lost" doc:"files of living senders that never came"`
	Corrupt    uint64             `json:"corrupt" doc:"files that did not match their hash"`
	Unexpected uint64             `json:"unexpected" doc:"files that came twice"`
	Unsent     uint64             `json:"unsent" doc:"files that the killed sender did not get to"`
	Holes      uint64             `json:"holes" doc:"slots of the dead, skipped"`
	Missed     bool               `json:"kill_missed" doc:"nobody could be killed"`
	Latency    demoLatency        `json:"latency_ns" doc:"from commit to receipt"`
	Senders    []demoSenderResult `json:"senders"`
	Deaths     []demoDeath        `json:"deaths"`
}

// demoLatency is from a message's commit to its receipt, in nanoseconds.
type demoLatency struct {
	P50  int64 `json:"p50"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p99_9"`
	Max  int64 `json:"max"`
}

type demoSenderResult struct {
	Number   int  `json:"number"`
	PID      int  `json:"pid"`
	Files    int  `json:"files" doc:"it had to send"`
	Received int  `json:"received" doc:"files of it"`
	Killed   bool `json:"killed"`
}

type demoDeath struct {
	PID  uint32 `json:"pid"`
	Role string `json:"role"`
	Comm string `json:"comm" doc:"name of the process"`
}

// verdict is an error if a promise was broken.
func (r *demoResult) verdict() error {
	if r.Lost+r.Corrupt+r.Unexpected == 0 {
		return nil
	}
	return errors.New("the channel broke its promise: see the table")
}

func (d *demo) print() error {
	if d.opts.json {
		enc := json.NewEncoder(d.app.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(d.result)
	}
	return d.result.table(d.app.stdout)
}

func (r *demoResult) table(w io.Writer) error {
	seconds := r.Elapsed.Seconds()
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(tw, name+"\t"+format+"\n", args...) // Flush tells
	}
	row("tree", "%s", r.Root)
	row("files", "%s", humanize.Comma(int64(r.Files)))
	row("bytes", "%s", humanize.Bytes(r.Bytes))
	row("time", "%s", r.Elapsed.Round(time.Millisecond))
	row("messages/s", "%s", humanize.Comma(int64(float64(r.Files)/seconds)))
	row("GB/s", "%.2f", float64(r.Bytes)/1e9/seconds)
	row("latency p50", "%s", micro(r.Latency.P50))
	row("latency p99", "%s", micro(r.Latency.P99))
	row("latency p99.9", "%s", micro(r.Latency.P999))
	for _, s := range r.Senders {
		text := fmt.Sprintf("pid %d: %d of %d files received", s.PID, s.Received, s.Files)
		if s.Killed {
			text += ", killed"
		}
		row(fmt.Sprintf("sender %d", s.Number), "%s", text)
	}
	if r.Missed {
		row("killed", "nobody: all had sent their files before there was a chance")
	}
	if len(r.Deaths) > 0 {
		row("holes", "%d%s", r.Holes, r.holeText())
		row("not sent", "%d files of the killed sender", r.Unsent)
	}
	row("lost", "%d", r.Lost)
	row("corrupt", "%d", r.Corrupt)
	if r.Unexpected > 0 {
		row("unexpected", "%d", r.Unexpected)
	}
	return tw.Flush()
}

// holeText names who left the holes.
func (r *demoResult) holeText() string {
	dead := r.Deaths[len(r.Deaths)-1]
	who := fmt.Sprintf("%s pid %d (%s)", dead.Role, dead.PID, dead.Comm)
	if r.Holes == 0 {
		return ": " + who + " died between two messages"
	}
	return ": reserved by " + who + ", which died before it committed; skipped"
}

func micro(ns int64) string { return time.Duration(ns).Round(100 * time.Nanosecond).String() }
