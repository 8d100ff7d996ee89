package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"shmring/channel"
	"shmring/examples/runner/engine"
	"shmring/examples/runner/ngram"
	"shmring/examples/runner/overhttp"
	"shmring/examples/runner/overshm"
	"shmring/examples/runner/server"
	"shmring/examples/runner/stream"
)

// settings are the flags of serve, some of which it passes on to its runners.
type settings struct {
	listen, transport, corpus string
	attach                    string
	runners, batch            int
	step, stall, grace        time.Duration
	writeBuffer               int
	server                    server.Options
}

func (s *settings) flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.StringVar(&s.transport, "transport", "shm", "how work gets to the runners: shm or http")
	f.StringVar(&s.corpus, "corpus", "",
		"directory of .go files whose comments make the model; empty: GOROOT/src")
	f.IntVar(&s.batch, "batch", engine.DefaultBatch, "sequences that a runner computes at a time")
	f.DurationVar(&s.step, "step", 5*time.Millisecond,
		"shortest time of a step, in place of a large model's work; 0: faster than clients read")
	f.StringVar(&s.attach, "attach", "",
		"shm only: for runners of other containers, which the server does not start. serve: "+
			"the channels are called NAME.0, NAME.1, …; runner: the one to attach to")
	return f
}

func (s *settings) parse(args []string) error {
	f := s.flags("serve")
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "address of the HTTP server")
	f.IntVar(&s.runners, "runners", 2, "runner processes")
	f.DurationVar(&s.stall, "stall-after", channel.DefaultStallAfter,
		"a runner that holds work and does nothing for so long is not well")
	f.DurationVar(&s.grace, "grace", 30*time.Second, "time to drain after SIGTERM")
	f.IntVar(&s.writeBuffer, "write-buffer", 64<<10, "bytes of a client's socket buffer")
	f.IntVar(&s.server.Buffer, "buffer", stream.DefaultLimit,
		"tokens that a client may be behind before its stream is cut")
	f.IntVar(&s.server.MaxDimensions, "max-dimensions", ngram.DefaultDimensions,
		"longest embedding; the channels are made large enough for it")
	f.BoolVar(&s.server.Debug, "debug", false, "add POST /debug/hold, for the demonstration")
	if err := f.Parse(args); err != nil {
		return err
	}
	if s.runners < 1 || s.batch < 1 || s.server.MaxDimensions < 1 {
		return errors.New("-runners, -batch and -max-dimensions must be at least 1")
	}
	if s.corpus == "" { // found once, for all
		root, err := ngram.Root()
		if err != nil {
			return err
		}
		s.corpus = filepath.Join(root, "src")
	}
	s.server.Model = "byte-level n-gram model with back-off of " + s.corpus
	return nil
}

// command makes the command of a runner.
func (s *settings) command(ctx context.Context) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.CommandContext(ctx, self, "runner", "-transport", s.transport,
		"-corpus", s.corpus, "-batch", fmt.Sprint(s.batch), "-step", s.step.String())
	cmd.Stderr = os.Stderr
	return cmd
}

// serve is the server, until ctx ends; then it drains.
func serve(ctx context.Context, args []string) error {
	var s settings
	if err := s.parse(args); err != nil {
		return err
	}
	log := logger()
	slog.SetDefault(log)
	transport, err := s.start(ctx, log)
	if err != nil {
		return err
	}
	err = s.web(ctx, transport, log)
	return errors.Join(err, transport.Close())
}

// start starts the transport with its runners.
func (s *settings) start(ctx context.Context, log *slog.Logger) (server.Transport, error) {
	switch s.transport {
	case "http":
		return overhttp.Start(overhttp.Options{
			Runners: s.runners, Command: s.command, StallAfter: s.stall, Logger: log,
		}), nil
	case "shm":
		o := overshm.Options{
			Runners: s.runners, Command: s.command, Name: s.attach, Grace: s.grace,
			Dimensions: s.server.MaxDimensions, StallAfter: s.stall, Logger: log,
		}
		if s.attach != "" {
			o.Command = nil
		}
		return overshm.Start(ctx, o)
	}
	return nil, fmt.Errorf("-transport %q: shm or http", s.transport)
}

// web answers HTTP until ctx ends and everything is drained.
func (s *settings) web(
	ctx context.Context, transport server.Transport, log *slog.Logger,
) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return err
	}
	handler := server.New(transport, s.server)
	web := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetWriteBuffer(s.writeBuffer) // the kernel's size does as well
			}
			return ctx
		},
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	fmt.Printf("listening on http://%s\n", listener.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer cancel()
	err = handler.Drain(drain, func(left int) { log.Info("draining", "requests left", left) })
	err = errors.Join(err, web.Shutdown(drain)) // what was generated is written
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// work is a runner.
func work(ctx context.Context, args []string) error {
	var s settings
	f := s.flags("runner")
	if err := f.Parse(args); err != nil {
		return err
	}
	load := func() (engine.Options, error) {
		m, err := model(s.corpus)
		return engine.Options{Model: m, Batch: s.batch, Step: s.step}, err
	}
	switch {
	case s.transport == "shm" && s.attach != "":
		return overshm.RunAttached(ctx, s.attach, load)
	case s.transport == "shm":
		// A terminal signals runners too: they end when the server says so.
		return overshm.Run(context.WithoutCancel(ctx), load)
	case s.transport == "http":
		o, err := load()
		if err != nil {
			return err
		}
		return overhttp.Run(context.WithoutCancel(ctx), o)
	}
	return fmt.Errorf("-transport %q: shm or http", s.transport)
}
