// Nameless hands a channel that has no name to a child process.
//
// The channel is a file that was never linked into /dev/shm: the child gets an open
// description of it as an inherited file, and nobody else can reach it. When both
// processes are gone, by whatever signal, nothing is left.
//
//	go run ./examples/nameless
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"

	"shmring/channel"
)

func main() {
	run := parent
	if len(os.Args) > 1 && os.Args[1] == "child" {
		run = child
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// parent creates the channel, starts the child with it, and sends.
func parent(ctx context.Context) error {
	ch, err := channel.Create(ctx, "", channel.Options{Nameless: true})
	if err != nil {
		return err
	}
	defer ch.Close()
	file, err := ch.File() // a description of its own for the child
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0], "child")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{file} // descriptor 3 in the child
	err = cmd.Start()
	file.Close() // ours: the child has it now
	if err != nil {
		return err
	}
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	for text := range strings.FieldsSeq("a channel without a name") {
		if err := tx.Send(ctx, []byte(text)); err != nil {
			return err
		}
	}
	err = ch.Seal("that was all") // the child gets all of it, then the end
	return errors.Join(err, cmd.Wait())
}

// child receives what the parent sends, until the end.
func child(ctx context.Context) error {
	ch, err := channel.OpenFile(os.NewFile(3, "channel"), channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer ch.Close()
	rx, err := ch.Receiver(ctx)
	if err != nil {
		return err
	}
	for {
		m, err := rx.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Printf("child got %q\n", m.Bytes())
		m.Release()
	}
}
