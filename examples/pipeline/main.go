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
	"strings"

	"shmring/manager"
)

func main() {
	m := manager.Default()
	err := errors.Join(m.Declare("words", manager.Spec{}), m.Declare("lengths", manager.Spec{}))
	if err == nil {
		run := words
		if len(os.Args) > 1 {
			run = stages[os.Args[1]]
		}
		err = errors.Join(run(context.Background(), m), m.Close())
	}
	if err != nil {
		log.Fatal(err)
	}
}

// stages are those that the first one starts, each in a process of its own.
var stages = map[string]func(context.Context, *manager.Manager) error{
	"lengths": lengths, "total": total,
}

// words is the first stage: it starts the others, sends, and ends the pipeline.
func words(ctx context.Context, m *manager.Manager) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := m.DependsOn(ctx, "words", "lengths") // kept in the segment, for every process
	if err != nil {
		return err
	}
	var ends []<-chan error
	for name, from := range map[string]string{"lengths": "words", "total": "lengths"} {
		end, err := start(ctx, cancel, name)
		if err == nil {
			err = receiver(ctx, m, from)
		}
		if err != nil {
			return err
		}
		ends = append(ends, end)
	}
	for word := range strings.FieldsSeq("nothing that was sent is lost") {
		if err := send(ctx, m, "words", []byte(word)); err != nil {
			return err
		}
	}
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{Reason: "that was all"})
	for _, e := range report.Ends {
		fmt.Printf("%s: %v\n", e.Name, e.Report.State)
	}
	return errors.Join(err, <-ends[0], <-ends[1])
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
