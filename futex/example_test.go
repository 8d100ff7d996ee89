//go:build linux

package futex_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"shmring/futex"
	"shmring/internal/layout"
)

// A sleeper announces itself, samples the sequence, checks its condition and sleeps; a
// waker publishes and then signals.
func Example() {
	const place, places = 0, 4
	var event layout.Event // in a segment it is shared with other processes
	var ready atomic.Bool

	go func() {
		ready.Store(true) // publish first
		futex.Signal(&event, places)
	}()

	sleepers := futex.NewSleepers(&event, places)
	sleepers.Enter(place)
	defer sleepers.Leave(place)
	for {
		seq := futex.Sample(&event)
		if ready.Load() {
			break
		}
		if err := futex.Wait(&event.Seq, seq, futex.Never); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("ready")
	// Output: ready
}

func ExampleWait() {
	var word atomic.Uint32
	err := futex.Wait(&word, 0, futex.After(time.Millisecond))
	fmt.Println(errors.Is(err, futex.ErrTimeout))
	fmt.Println(futex.Wait(&word, 7, futex.Never)) // it is not 7: no sleep
	// Output:
	// true
	// <nil>
}

func ExampleWaitAny() {
	var first, second atomic.Uint32
	go func() {
		second.Add(1)
		futex.WakeAll(&second)
	}()
	i, err := futex.WaitAny([]futex.Word{{W: &first}, {W: &second}}, futex.Never)
	fmt.Println(i, err)
	// Output: 1 <nil>
}

func ExampleSpinner() {
	var ready atomic.Bool
	ready.Store(true)
	spinner := futex.NewSpinner(0)
	rounds := spinner.Begin()
	for round := range rounds {
		if ready.Load() {
			spinner.Hit(round)
			fmt.Println("came while spinning")
			return
		}
		futex.Round()
	}
	spinner.Miss()
	fmt.Println("to be parked") // on one processor at once
}
