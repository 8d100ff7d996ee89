//go:build linux

package link_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"shmring/internal/shmtest"
	"shmring/link"
)

// A server asks its runner, which it starts, for one answer. The runner, in a process of its
// own, is the function echo of ExampleJoin.
func ExampleRun() {
	runner := func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), shmtest.EnvChild+"=example-runner")
		return cmd
	}
	report, err := link.Run(context.Background(), link.Options{Command: runner},
		func(ctx context.Context, s *link.Server) error {
			request := link.Frame{ID: 1, Kind: link.Request, Payload: []byte("to be or not to be")}
			if err := s.Send(ctx, request); err != nil {
				return err
			}
			for f, err := range s.Frames(ctx) {
				if err != nil {
					return err // the runner died: the next instance begins
				}
				if f.Kind == link.End {
					break
				}
				fmt.Printf("%s ", f.Payload)
			}
			return nil // stops the link
		})
	fmt.Println("|", report.Instances, "instance,", err)
	// Output: to be or not to be | 1 instance, <nil>
}

func init() {
	children["example-runner"] = func(*shmtest.Conn, []string) error { return exampleRunner() }
}

func exampleRunner() error {
	r, err := link.Join(context.Background())
	if err != nil {
		return err
	}
	defer r.Close()
	ctx := r.Context()
	for f, err := range r.Frames(ctx) { // ends when the server wants no more
		if err != nil {
			return err
		}
		for word := range strings.FieldsSeq(string(f.Payload)) {
			if r.Canceled(f.ID) {
				break
			}
			token := link.Frame{ID: f.ID, Kind: link.Token, Payload: []byte(word)}
			if err := r.Send(ctx, token); err != nil {
				return err
			}
		}
		if err := r.Send(ctx, link.Frame{ID: f.ID, Kind: link.End}); err != nil {
			return err
		}
	}
	return nil
}

// A runner answers until its server ends. exampleRunner, above in the source, is one.
func ExampleJoin() {
	if _, err := link.Join(context.Background()); err != nil {
		fmt.Println(errors.Is(err, link.ErrNoLink))
	}
	// Output: true
}
