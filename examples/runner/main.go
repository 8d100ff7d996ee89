// Runner is an inference server with its runner processes, over shared memory or over HTTP:
// a server that answers completions as server-sent events, runners of the same binary that
// batch continuously, and a program that kills, stops and overloads them and says what came
// of it. The model is a byte-level n-gram model of the comments in Go's standard library.
//
//	go run . serve -runners 2
//	curl -N localhost:8080/v1/completions -d '{"prompt":"Package ","stream":true}'
//	go run . demo
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"shmring/examples/runner/demo"
	"shmring/examples/runner/ngram"
)

const usage = `usage: runner serve  [flags]   the server, which starts its runners
       runner demo   [flags]   the demonstration: both transports, every failure
       runner runner [flags]   a runner; the server starts these

runner serve -h, runner demo -h: the flags`

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "runner:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch args[0] {
	case "demo":
		return demo.Main(ctx, args[1:])
	case "serve":
		return serve(ctx, args[1:])
	case "runner":
		return work(ctx, args[1:])
	}
	return errors.New(usage)
}

// logger writes to standard error, which a runner shares with its server.
func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, nil)).With("pid", os.Getpid())
}

// model builds the model of a directory of Go source.
func model(corpus string) (*ngram.Model, error) {
	text, err := ngram.LoadCorpus(corpus, 0)
	if err != nil {
		return nil, err
	}
	return ngram.New(text), nil
}
