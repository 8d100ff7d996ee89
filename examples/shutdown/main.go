// Shutdown ends a server in order: the channel of jobs, the worker process that receives
// them, and the channel of its results, within ten seconds and with a report.
//
//	go run ./examples/shutdown
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"time"

	"shmring/channel"
	"shmring/manager"
)

func main() {
	m := manager.Default()
	run := server
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		run = work
	}
	err := errors.Join(m.Declare("jobs", manager.Spec{}), m.Declare("results", manager.Spec{}))
	if err = errors.Join(err, run(context.Background(), m), m.Close()); err != nil {
		log.Fatal(err)
	}
}

// worker is a manager.Resource: a process that ends when its jobs have ended.
type worker struct{ *exec.Cmd }

func (worker) Name() string                  { return "worker" }
func (w worker) Close(context.Context) error { return w.Wait() }

// server starts the worker, sends jobs, and ends everything.
func server(ctx context.Context, m *manager.Manager) error {
	rx, err := receiver(ctx, m, "results") // before the worker sends any
	if err != nil {
		return err
	}
	read := make(chan error, 1)
	go func() { read <- each(ctx, rx, func([]byte) error { return nil }) }()
	w := worker{exec.Command(os.Args[0], "worker")}
	w.Stdout, w.Stderr = os.Stdout, os.Stderr
	if err := w.Start(); err != nil {
		return err
	}
	err = errors.Join(m.Register(w, "results"), m.DependsOn(ctx, "jobs", "worker"))
	if err != nil {
		return errors.Join(err, w.Process.Kill(), w.Wait())
	}
	jobs, err := m.Channel("jobs")
	if err != nil {
		return err
	}
	for i := range byte(200) {
		if err := jobs.Send(ctx, []byte{i}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	report, err := m.Shutdown(ctx, manager.ShutdownOptions{
		Reason: "deploy", AtDeadline: channel.Force,
		Progress: func(name string, p channel.Progress) {
			fmt.Printf("%s: %d slots left\n", name, p.Left)
		},
	})
	for _, end := range report.Ends {
		if end.Err == nil {
			fmt.Printf("%s ended\n", end.Name)
		}
	}
	fmt.Printf("%d messages discarded\n", report.Discarded)
	if err != nil {
		return err
	}
	return <-read
}
