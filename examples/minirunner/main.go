// Minirunner is the smallest server with a runner process: requests there, tokens back, a
// cancel between two tokens, a new runner where one died. README shows it;
// examples/runner is the whole of it.
//
//	go run ./examples/minirunner
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"shmring/link"
)

// shown in README: begin

func serve(ctx context.Context) error {
	runner := func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, os.Args[0]) }
	_, err := link.Run(ctx, link.Options{Command: runner},
		func(ctx context.Context, s *link.Server) error { // once for each life of a runner
			prompt := []byte("a runner of one's own")
			err := s.Send(ctx, link.Frame{ID: 1, Kind: link.Request, Payload: prompt})
			if err != nil {
				return err
			}
			for f, err := range s.Frames(ctx) { // in place, until the next iteration
				if err != nil {
					return err // it died: an error that names it, and the next one starts
				}
				if f.Kind == link.End {
					return nil
				}
				fmt.Printf("request %d: %s\n", f.ID, f.Payload) // to break off: s.Cancel(ctx, f.ID)
			}
			return nil
		})
	return err
}

func run(ctx context.Context) error {
	r, err := link.Join(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	for f, err := range r.Frames(r.Context()) { // ends when the server does, killed or not
		if err != nil {
			return err
		}
		for token := range strings.FieldsSeq(string(f.Payload)) { // your model
			if r.Canceled(f.ID) { // ahead of everything that is queued
				break
			}
			t := link.Frame{ID: f.ID, Kind: link.Token, Payload: []byte(token)}
			if err := r.Send(r.Context(), t); err != nil {
				return err
			}
		}
		if err := r.Send(r.Context(), link.Frame{ID: f.ID, Kind: link.End}); err != nil {
			return err
		}
	}
	return nil
}

// shown in README: end

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	part := serve
	if _, started := os.LookupEnv(link.EnvLink); started {
		part = run
	}
	if err := part(ctx); err != nil {
		log.Fatal(err)
	}
}
