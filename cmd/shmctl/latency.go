package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"shmring/shm"
)

// latencyOptions are the flags of latency.
type latencyOptions struct {
	size     int
	interval time.Duration
	history  time.Duration
	duration time.Duration
	count    int
	noSpin   bool
	json     bool
}

func newLatencyCmd(a *app) *cobra.Command {
	o := latencyOptions{size: 32}
	cmd := &cobra.Command{
		Use:   "latency",
		Short: "Sample the round trip between two processes",
		Long: `Latency measures what a message and its answer cost on this machine now: it sends a
message to an echo process of its own and waits for the answer, again and again, and shows the
least, mean, median, 99th percentile and greatest time. The two channels for that have no names,
lie in the directory of segments, and go with the two processes.

With the default --interval both sides sleep when a message comes: that is the cost of two
wake-ups. With --interval 0 they spin, as a busy pair does.

On a terminal it goes on until a signal and rewrites its line, else it prints one line after a
second; with --history it prints a line for each interval. shmctl recv and stat tell about
channels of others: latency touches none.`,
		Example: `  shmctl latency
  shmctl latency --interval 0 --size 4KiB --duration 10s
  shmctl latency --history 1s --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("latency takes no arguments: it has channels of its own")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.size < 0 || o.size > latencyMost:
				return usagef("--size %d: want 0 to %s", o.size, humanize.IBytes(latencyMost))
			case o.interval < 0 || o.history < 0 || o.duration < 0 || o.count < 0:
				return usagef("a time or a number is negative")
			}
			return a.latency(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.Var(sizeValue{n: &o.size}, "size", "bytes of a message")
	flags.DurationVar(&o.interval, "interval", 10*time.Millisecond, "pause between two samples")
	flags.DurationVar(&o.history, "history", 0, "print a line and begin anew after that time")
	flags.DurationVar(&o.duration, "duration", 0,
		"for how long (default until a signal on a terminal or with --history, else 1s)")
	flags.IntVarP(&o.count, "count", "n", 0, "that many samples")
	flags.BoolVar(&o.noSpin, "no-spin", false, "neither side spins before it sleeps")
	flags.BoolVar(&o.json, "json", false, "print JSON, an object a line")
	return cmd
}

const (
	latencyMost    = 256 << 10
	latencyLongest = int64(time.Minute)
	latencyDigits  = 3
)

func (a *app) latency(ctx context.Context, o latencyOptions) (err error) {
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	p, err := a.newPinger(ctx, o, gone)
	if err != nil {
		return err
	}
	defer func() { err = first(err, p.close()) }()
	message := make([]byte, o.size)
	// The first ones find cold pages and an echo that is not there yet.
	const warm = 16
	for range warm {
		if _, err := p.sample(ctx, message); err != nil {
			return err
		}
	}
	dir := a.segmentDir()
	if dir == "" {
		dir = shm.DefaultDir
	}
	_, _ = fmt.Fprintf(a.stderr, "round trips of %s between pid %d and its echo pid %d in %s, one "+
		"every %s: send, receive there, send back, receive\n", humanize.IBytes(uint64(o.size)),
		os.Getpid(), p.cmd.Process.Pid, dir, o.interval) // only a notice
	return a.sampleAll(ctx, p, message)
}

// sampleAll measures and shows until it is time to end. A signal shows what there is.
func (a *app) sampleAll(ctx context.Context, p *pinger, message []byte) error {
	o := p.o
	terminal := isTerminal(a.stdout)
	if o.duration == 0 && o.count == 0 && o.history == 0 && !terminal {
		o.duration = time.Second
	}
	begin := time.Now()
	since := begin
	bar := newProgress(a.stdout)
	h := hdrhistogram.New(1, latencyLongest, latencyDigits)
	var err error
	for n := 1; err == nil; n++ {
		var took time.Duration
		if took, err = p.sample(ctx, message); err != nil {
			break
		}
		_ = h.RecordValue(min(int64(took), latencyLongest)) // it is in range
		now := time.Now()
		if o.count > 0 && n >= o.count || o.duration > 0 && now.Sub(begin) >= o.duration {
			break
		}
		if o.history > 0 && now.Sub(since) >= o.history {
			if err = a.showLatency(h, o, now.Sub(begin)); err != nil {
				break
			}
			h.Reset()
			since = now
		}
		if terminal && o.history == 0 && !o.json {
			bar.show(func() string { return latencyText(h) })
		}
		if o.interval > 0 && !pause(ctx, o.interval) {
			err = context.Cause(ctx)
		}
	}
	bar.finish()
	return first(err, a.showLatency(h, o, time.Since(begin)))
}

// latencyJSON is what latency --json prints. Times are nanoseconds.
type latencyJSON struct {
	Samples   int64 `json:"samples"`
	MinNs     int64 `json:"min_ns"`
	MeanNs    int64 `json:"mean_ns"`
	P50Ns     int64 `json:"p50_ns"`
	P99Ns     int64 `json:"p99_ns"`
	MaxNs     int64 `json:"max_ns"`
	ElapsedNs int64 `json:"elapsed_ns" doc:"since the first sample"`
	Size      int   `json:"size" doc:"bytes of a message"`
}

func (a *app) showLatency(
	h *hdrhistogram.Histogram, o latencyOptions, elapsed time.Duration,
) error {
	if h.TotalCount() == 0 {
		return nil
	}
	if !o.json {
		return a.print(latencyText(h) + "\n")
	}
	return a.printLine(latencyJSON{
		Samples: h.TotalCount(), MinNs: h.Min(), MeanNs: int64(h.Mean()),
		P50Ns: h.ValueAtPercentile(50), P99Ns: h.ValueAtPercentile(99), MaxNs: h.Max(),
		ElapsedNs: int64(elapsed), Size: o.size,
	})
}

func latencyText(h *hdrhistogram.Histogram) string {
	us := func(ns float64) string { return fmt.Sprintf("%.1fµs", ns/1e3) }
	return fmt.Sprintf("%d samples: min %s, mean %s, p50 %s, p99 %s, max %s", h.TotalCount(),
		us(float64(h.Min())), us(h.Mean()), us(float64(h.ValueAtPercentile(50))),
		us(float64(h.ValueAtPercentile(99))), us(float64(h.Max())))
}
