// Package demo drives the server with many clients, kills, stops and overloads its processes,
// and says of each promise whether it was kept, with the figures that were measured.
package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"shmring/examples/runner/ngram"
)

// demo is one run of the demonstration.
type demo struct {
	model  *ngram.Model
	corpus string
	base   string // directory for those of segments
	self   string
	short  bool
	only   string
	http   map[string]float64 // what was measured over HTTP, by name

	passed, failed, skipped int
}

// A verdict says what became of a row.
type verdict int

const (
	fail verdict = iota
	pass
	skip // it cannot run on this machine
	none // it means nothing over this transport
)

// outcome is one row over one transport.
type outcome struct {
	verdict
	text string
	late bool // it failed, and only by the clock
}

// check makes an outcome of a condition and the figures.
func check(ok bool, format string, args ...any) outcome {
	o := outcome{verdict: fail, text: fmt.Sprintf(format, args...)}
	if ok {
		o.verdict = pass
	}
	return o
}

// intime is check with a condition by the clock as well.
func (o outcome) intime(ok bool) outcome {
	if o.verdict == pass && !ok {
		o.verdict, o.late = fail, true
	}
	return o
}

func failed(err error) outcome { return outcome{verdict: fail, text: err.Error()} }

// scenario runs for one or several rows, once over each transport.
type scenario struct {
	key  string
	rows []string
	run  func(ctx context.Context, s *stage) []outcome
}

func scenarios() []scenario {
	return []scenario{
		{"load", []string{
			"64 streams at once are, byte for byte, what is generated in process",
			"time to the first token", "time between tokens",
			"CPU of server and runners for 1,000 tokens",
		}, underLoad},
		{"kill-runner", []string{"kill -9 of a runner in mid-stream"}, killRunner},
		{"kill-server", []string{"kill -9 of the server"}, killServer},
		{"disconnect", []string{"a client disconnects"}, disconnect},
		{"cancel", []string{"cancel while all data channels are full"}, cancelFull},
		{"drain", []string{"SIGTERM under load"}, terminate},
		{"stop", []string{"SIGSTOP of a runner"}, stopRunner},
		{"slow", []string{"a client that does not read"}, slowClient},
		{"idle", []string{"idle"}, idle},
		{"tmpfs", []string{"a tmpfs that is too small"}, smallTmpfs},
		{"blobs", []string{"32 MiB blobs, one a second, beside 64 streams"}, blobs},
	}
}

// Main runs the demonstration. Its error says that a row failed.
func Main(ctx context.Context, args []string) error {
	d := &demo{http: make(map[string]float64)}
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.BoolVar(&d.short, "short", false, "fewer tokens and shorter waits")
	f.StringVar(&d.only, "only", "", "run only the scenario of this name; others: "+names())
	transport := f.String("transport", "http,shm", "which to run")
	f.StringVar(&d.corpus, "corpus", "", "as for serve")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := d.prepare(); err != nil {
		return err
	}
	defer os.Remove(d.base) // fails if a run left something, which its row has told
	fmt.Println(machine())
	fmt.Println("http is there to be compared with: what it does not keep is told, and no failure")
	for _, sc := range scenarios() {
		if d.only == "" || d.only == sc.key {
			d.scenario(ctx, sc, strings.Split(*transport, ","))
		}
	}
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", d.passed, d.failed, d.skipped)
	if d.failed > 0 {
		return fmt.Errorf("%d rows failed", d.failed)
	}
	return context.Cause(ctx)
}

func names() string {
	var all []string
	for _, sc := range scenarios() {
		all = append(all, sc.key)
	}
	return strings.Join(all, ", ")
}

// prepare builds the model that streams are compared with.
func (d *demo) prepare() (err error) {
	if d.corpus == "" {
		root, err := ngram.Root()
		if err != nil {
			return err
		}
		d.corpus = filepath.Join(root, "src")
	}
	began := time.Now()
	text, err := ngram.LoadCorpus(d.corpus, 0)
	if err != nil {
		return err
	}
	d.model = ngram.New(text)
	fmt.Printf("model: bytes, %d-gram with back-off, %d bytes of comments of %s, built in %v\n",
		ngram.Order+1, len(text), d.corpus, time.Since(began).Round(time.Millisecond))
	if d.self, err = os.Executable(); err != nil {
		return err
	}
	shm := os.Getenv("SHMRING_DIR")
	if shm == "" {
		shm = "/dev/shm"
	}
	d.base, err = os.MkdirTemp(shm, "shmring-demo-")
	return err
}

// machine says where the figures come from.
func machine() string {
	read := func(path string) string {
		b, _ := os.ReadFile(path) // empty where there is none
		return strings.TrimSpace(string(b))
	}
	load, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	return fmt.Sprintf("machine: %d processors, load %s before the run, Linux %s, %s %s/%s; "+
		"a step takes %v, in place of a large model's work", runtime.NumCPU(), load,
		read("/proc/sys/kernel/osrelease"), runtime.Version(), runtime.GOOS, runtime.GOARCH, step)
}

// scenarioTime ends what hangs.
const scenarioTime = 5 * time.Minute

// scenario runs one over each transport and prints its rows.
func (d *demo) scenario(ctx context.Context, sc scenario, transports []string) {
	results := make(map[string][]outcome)
	for _, transport := range transports {
		results[transport] = d.attempts(ctx, sc, transport)
	}
	for i, row := range sc.rows {
		fmt.Printf("\n%s\n", row)
		for _, transport := range slices.Sorted(slices.Values(transports)) {
			for j, o := range results[transport] {
				// What is missing because of an error, and what came on top, is in the first row.
				if j == i || i == 0 && j >= len(sc.rows) {
					d.print(transport, o)
				}
			}
		}
	}
}

// tries is how often a scenario is run that failed by the clock only: the machine may have
// been busy with something else. What failed before is told.
const tries = 3

func (d *demo) attempts(ctx context.Context, sc scenario, transport string) []outcome {
	var before string
	for try := 1; ; try++ {
		outcomes := d.attempt(ctx, sc, transport)
		i := slices.IndexFunc(outcomes, func(o outcome) bool { return o.late })
		if i >= 0 && transport != "http" && try < tries {
			before += fmt.Sprintf("; attempt %d was late: %s", try, outcomes[i].text)
			continue
		}
		outcomes[max(i, 0)].text += before
		return outcomes
	}
}

func (d *demo) attempt(ctx context.Context, sc scenario, transport string) []outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, scenarioTime, errors.New("it hangs"))
	defer cancel()
	s := &stage{demo: d, transport: transport}
	outcomes := sc.run(ctx, s)
	if err := s.end(); err != nil {
		outcomes = append(outcomes, failed(err))
	}
	return outcomes
}

func (d *demo) print(transport string, o outcome) {
	word := "-"
	switch o.verdict {
	case pass:
		d.passed++
		word = "pass"
	case fail:
		word = "FAIL"
		if transport == "http" { // measured to be compared with, and no promise of ours
			word = "no"
			break
		}
		d.failed++
	case skip:
		d.skipped++
		word = "skipped:"
	case none:
	}
	fmt.Printf("  %-5s %-5s %s\n", transport, word, o.text)
}
