// Pipeline counts letters in three processes of one program: the first sends words, the
// second measures them, the third adds up. Each channel depends on the next, so whoever ends
// the pipeline ends it in that order, and nothing is lost.
//
//	go run ./examples/pipeline
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"

	"shmring/manager"
)

func main() {
	run := words
	if len(os.Args) > 1 {
		run = map[string]func(context.Context, *manager.Manager) error{
			"lengths": lengths, "total": total,
		}[os.Args[1]]
	}
	m := manager.Default()
	err := errors.Join(m.Declare("words", manager.Spec{}), m.Declare("lengths", manager.Spec{}))
	if err = errors.Join(err, run(context.Background(), m), m.Close()); err != nil {
		log.Fatal(err)
	}
}

// words is the first stage: it starts the others, sends, and ends the pipeline.
func words(ctx context.Context, m *manager.Manager) error {
	err := m.DependsOn(ctx, "words", "lengths") // kept in the segment, for every process
	others := []*exec.Cmd{exec.Command(os.Args[0], "lengths"), exec.Command(os.Args[0], "total")}
	for i, name := range []string{"words", "lengths"} {
		others[i].Stdout, others[i].Stderr = os.Stdout, os.Stderr
		err = errors.Join(err, others[i].Start(), receiver(ctx, m, name))
	}
	for word := range strings.FieldsSeq("nothing that was sent is lost") {
		err = errors.Join(err, send(ctx, m, "words", []byte(word)))
	}
	report, end := m.Shutdown(ctx, manager.ShutdownOptions{Reason: "that was all"})
	for _, e := range report.Ends {
		fmt.Printf("%s: %v\n", e.Name, e.Report.State)
	}
	return errors.Join(err, end, others[0].Wait(), others[1].Wait())
}

// lengths is the stage in the middle.
func lengths(ctx context.Context, m *manager.Manager) error {
	return each(ctx, m, "words", func(word []byte) error {
		return send(ctx, m, "lengths", []byte{byte(len(word))})
	})
}

// total is the last stage.
func total(ctx context.Context, m *manager.Manager) error {
	sum := 0
	err := each(ctx, m, "lengths", func(length []byte) error { sum += int(length[0]); return nil })
	fmt.Printf("%d letters\n", sum)
	return err
}
