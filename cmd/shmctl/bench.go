package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shmring/channel"
	"shmring/internal/measure"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	modes, kinds, waits []string
	sizes               []string
	batches             []int
	rates               []float64
	cores               string
	time                time.Duration
	slots, slotSize     int
	arena               int
	json                bool
	benchfmt            string
}

const (
	benchStream = "stream"
	benchTrip   = "roundtrip"
)

var benchWaits = []string{"adaptive", "spin", "park"}

func newBenchCmd(a *app) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure messages between two processes of this machine",
		Long: `Bench starts a second process and measures messages to this one: streams of them
one way, or round trips by two channels. Every message is verified. Flags that take a list make a
case of each combination.

With --rate it is an open loop: when each message is due is fixed before the first one, and its
time counts from then, whatever became of the others. Without, the sender sends as fast as it
can; a stream then has no times, and a round trip is timed by itself. Times end when the call that
receives returns.

CPU is that of both processes. System calls are the sleeps and wakes of the channel. A percentile
is told if ten times lie beyond it.`,
		Example: `  shmctl bench
  shmctl bench --mode roundtrip --wait spin,adaptive,park
  shmctl bench --sizes 32,4K,1M --batch 1,32 --benchfmt new.txt
  shmctl bench --sizes 64 --rate 1000 --time 30s`,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.bench(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.modes, "mode", []string{benchStream}, "stream, roundtrip")
	flags.StringSliceVar(&o.kinds, "kind", []string{"spsc"}, "spsc, mpsc")
	flags.StringSliceVar(&o.sizes, "sizes", []string{"32"}, "bytes of a message, 8 or more")
	flags.IntSliceVar(&o.batches, "batch", []int{1}, "messages sent and received at once (stream)")
	flags.Float64SliceVar(&o.rates, "rate", []float64{0},
		"messages, or trips, due in a second; 0: as fast as it goes")
	flags.StringSliceVar(&o.waits, "wait", []string{"adaptive"},
		"adaptive: spin while that pays, then sleep; spin; park: sleep at once")
	flags.StringVar(&o.cores, "cores", "",
		"cores of this process and of the other, as 0,1; none: not pinned (default the first two)")
	flags.DurationVar(&o.time, "time", time.Second, "how long each case takes")
	flags.IntVar(&o.slots, "slots", 0, fmt.Sprintf("slots of the ring (default %d)",
		channel.DefaultSlots))
	flags.Var(sizeValue{n: &o.slotSize}, "slot-size", fmt.Sprintf("bytes of a slot (default %d)",
		channel.DefaultSlotSize))
	flags.Var(sizeValue{n: &o.arena}, "arena",
		"bytes of the arena (default 1MiB, or four of the messages)")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.benchfmt, "benchfmt", "",
		"add the results to a file in the format of Go benchmarks, which benchstat reads")
	return cmd
}

// A benchCase is one combination. It travels to the other process as JSON.
type benchCase struct {
	Mode  string        `json:"mode" doc:"stream, roundtrip"`
	Kind  string        `json:"kind" doc:"spsc, mpsc"`
	Size  int           `json:"size" doc:"bytes of a message"`
	Batch int           `json:"batch" doc:"messages at once"`
	Rate  float64       `json:"rate" doc:"messages or trips due in a second; 0: as fast as it goes"`
	Wait  string        `json:"wait" doc:"adaptive, spin, park"`
	Time  time.Duration `json:"-"`
}

// name spells the case as a benchmark.
func (c benchCase) name() string {
	name := fmt.Sprintf("BenchmarkShmctl/%s/%s/size=%d", c.Mode, c.Kind, c.Size)
	if c.Mode == benchStream {
		name += fmt.Sprintf("/batch=%d", c.Batch)
	}
	if c.Rate > 0 {
		name += "/rate=" + strconv.FormatFloat(c.Rate, 'g', -1, 64)
	}
	return name + "/" + c.Wait
}

// every is the time between two batches; zero: none.
func (c benchCase) every() time.Duration {
	if c.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / c.Rate * float64(c.Batch))
}

// spin is what the way to wait means for a channel.
func (c benchCase) spin() time.Duration {
	switch c.Wait {
	case "spin":
		return time.Second
	case "park":
		return -1
	}
	return 0
}

// cases are all combinations that make sense, in the order of the flags.
func (o benchOptions) cases() (cases []benchCase, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	for _, mode := range o.modes {
		for _, kind := range o.kinds {
			for _, text := range o.sizes {
				size, err := parseSize(text)
				if err != nil || size < measure.MinSize {
					return nil, usagef("--sizes %s: want bytes, %d or more", text, measure.MinSize)
				}
				c := benchCase{Mode: mode, Kind: kind, Size: size, Time: o.time}
				more, err := o.variants(c)
				if err != nil {
					return nil, err
				}
				cases = append(cases, more...)
			}
		}
	}
	return cases, nil
}

// variants are the cases of one mode, kind and size.
func (o benchOptions) variants(c benchCase) (cases []benchCase, err error) {
	batches := o.batches
	if c.Mode == benchTrip {
		batches = []int{1}
	}
	for _, c.Batch = range batches {
		for _, c.Rate = range o.rates {
			if c.Rate > 0 && c.Size < measure.StampedSize {
				return nil, usagef("--rate needs messages of %d bytes or more", measure.StampedSize)
			}
			for _, c.Wait = range o.waits {
				cases = append(cases, c)
			}
		}
	}
	return cases, nil
}

// check refuses what is no case.
func (o benchOptions) check() error {
	for _, list := range []struct {
		flag        string
		have, known []string
	}{
		{"mode", o.modes, []string{benchStream, benchTrip}},
		{"kind", o.kinds, []string{"spsc", "mpsc"}},
		{"wait", o.waits, benchWaits},
	} {
		for _, v := range list.have {
			if !slices.Contains(list.known, v) {
				return usagef("--%s %s: want %s", list.flag, v, strings.Join(list.known, ", "))
			}
		}
	}
	for _, n := range o.batches {
		if n < 1 || n > benchMaxBatch {
			return usagef("--batch %d: want 1 to %d", n, benchMaxBatch)
		}
	}
	for _, rate := range o.rates {
		if rate < 0 || rate > 1e9 {
			return usagef("--rate %g: want 0 to 1e9 a second", rate)
		}
	}
	if o.time <= 0 {
		return usagef("--time %s is not positive", o.time)
	}
	return nil
}

// benchMaxBatch bounds the buffers of a batch.
const benchMaxBatch = 4096

// benchCores returns the cores of both sides.
func (o benchOptions) benchCores() ([2]int, error) {
	all := measure.Cores()
	two := [2]int{measure.AnyCore, measure.AnyCore}
	switch {
	case o.cores == "none":
		return two, nil
	case o.cores != "":
		if _, err := fmt.Sscanf(o.cores, "%d,%d", &two[0], &two[1]); err != nil {
			return two, usagef("--cores %s: want two numbers, as 0,1, or none", o.cores)
		}
		for _, core := range two {
			if !slices.Contains(all, core) {
				return two, usagef("--cores %s: this process may run on %v", o.cores, all)
			}
		}
	case len(all) > 1:
		copy(two[:], all)
	}
	if slices.Contains(o.waits, "spin") && (len(all) < 2 || two[0] == two[1] && o.cores != "") {
		return two, usagef("--wait spin needs two cores: on one the other side could not run")
	}
	return two, nil
}

func (a *app) bench(ctx context.Context, o benchOptions) error {
	cases, err := o.cases()
	if err != nil {
		return err
	}
	cores, err := o.benchCores()
	if err != nil {
		return err
	}
	out := io.Discard
	if o.benchfmt != "" {
		f, err := os.OpenFile(o.benchfmt, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return usagef("--benchfmt: %w", err)
		}
		defer f.Close() //nolint:errcheck // each write was checked
		out = f
	}
	show := newBenchShow(a, o.json, out)
	if err := show.begin(); err != nil {
		return err
	}
	for _, c := range cases {
		result, err := a.benchOne(ctx, c, o, cores)
		if err == nil {
			err = show.add(result)
		}
		if err != nil {
			return errors.Join(err, show.end())
		}
	}
	return show.end()
}
