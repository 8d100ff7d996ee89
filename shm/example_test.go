//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"shmring/internal/layout"
	"shmring/shm"
)

// exampleDir is a directory of segments that is gone after the example.
func exampleDir() (dir string, remove func()) {
	dir, err := os.MkdirTemp("/dev/shm", "shmring-test-*")
	if err != nil {
		panic(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

// One process creates a segment, others attach to it; the last one out decides whether
// it goes.
func Example() {
	dir, remove := exampleDir()
	defer remove()
	ctx := context.Background()

	creator, err := shm.Create(ctx, shm.CreateOptions{
		Dir: dir, Name: "jobs",
		Params: layout.Params{
			Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: 64, SlotSize: 64,
			MaxParticipants: 8,
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	other, err := shm.Open(ctx, shm.OpenOptions{Dir: dir, Name: "jobs"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the same segment:", creator.Instance() == other.Instance())

	goes := func() bool { return true }
	_ = creator.Detach(ctx, goes) // nobody asks: other is still attached
	_ = other.Detach(ctx, goes)
	_, err = shm.Open(ctx, shm.OpenOptions{Dir: dir, Name: "jobs"})
	fmt.Println("gone:", errors.Is(err, os.ErrNotExist))
	// Output:
	// the same segment: true
	// gone: true
}

// A place is held by a lock that the kernel frees when its holder dies.
func ExampleSegment_Claim() {
	dir, remove := exampleDir()
	defer remove()
	ctx := context.Background()
	p := layout.Params{
		Kind: layout.KindEvent, SlotCount: 1, SlotSize: 64, MaxParticipants: 4,
	}
	a, err := shm.Create(ctx, shm.CreateOptions{Dir: dir, Name: "places", Params: p})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := shm.Open(ctx, shm.OpenOptions{Dir: dir, Name: "places"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	fmt.Println(a.Claim(2))
	fmt.Println(b.Claim(2))
	a.Close() // a death does the same
	alive, err := b.Alive(2)
	fmt.Println(alive, err)
	// Output:
	// <nil>
	// place 2 is busy
	// false <nil>
}

func ExampleAwaitName() {
	dir, remove := exampleDir()
	defer remove()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := shm.AwaitName(ctx, dir, "never")
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

func ExampleCheckName() {
	fmt.Println(shm.CheckName("jobs.high-1"))
	fmt.Println(shm.CheckName("../jobs"))
	// Output:
	// <nil>
	// invalid argument: name "../jobs" starts with a dot
}
