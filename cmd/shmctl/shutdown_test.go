package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"shmring/channel"
)

// forward is a process of the tests' own: it moves messages from one channel to another
// until the first ends, and lets none go before the other has it.
func forward() {
	if err := forwardAll(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func forwardAll(ctx context.Context, from, to string) (err error) {
	in, err := channel.Open(ctx, from, channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := channel.Open(ctx, to, channel.OpenOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	rx, err := in.Receiver(ctx)
	if err != nil {
		return err
	}
	tx, err := out.Sender(ctx)
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
		if err := tx.Send(ctx, m.Bytes()); err != nil {
			return err
		}
		m.Release()
	}
}

func TestProgressOfSeveralHasALineForEach(t *testing.T) {
	var b strings.Builder
	p := newProgresses(&b)
	late := func() string { return "1 of 9" }
	for range 2 {
		for _, name := range []string{"in", "out"} {
			p.show(name, late) // what is over at once needs none
			p.bars[name].last = time.Time{}
		}
	}
	p.finish()
	assert.Equal(t, "in: 1 of 9\nout: 1 of 9\n", b.String())
}
