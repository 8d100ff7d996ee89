package ring_test

import (
	"errors"
	"fmt"

	"shmring/internal/layout"
	"shmring/ring"
)

// heap returns a ring of eight slots of 64 bytes and an arena of 4 KiB, in Go memory.
func heap() *ring.Ring {
	r, _ := heapView()
	return r
}

// heapView returns its words as well.
func heapView() (*ring.Ring, *layout.View) {
	r, v, err := ring.NewHeap(layout.Params{
		Kind: layout.KindChannel, RingKind: layout.RingMPSC, SlotCount: 8, SlotSize: 64,
		MaxParticipants: 4, ArenaSize: 4096,
	})
	if err != nil {
		panic(err)
	}
	return r, v
}

func Example() {
	r := heap()
	tx := r.NewProducer(layout.PlaceFree)
	rx, err := r.NewConsumer(0)
	if err != nil {
		panic(err)
	}
	tx.Send([]byte("hello"))
	tx.Send([]byte("world"))
	r.Seal()
	fmt.Println(tx.Send([]byte("too late")))
	for {
		var m ring.Item
		if err := rx.Next(&m); err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%s\n", m.Bytes)
		rx.Release(m.Pos)
	}
	// Output:
	// ring: sealed
	// hello
	// world
	// ring: end
}

// A message is built where the receiver will read it, and cut to what it became.
func ExampleProducer_Reserve() {
	r := heap()
	tx := r.NewProducer(layout.PlaceFree)
	rx, _ := r.NewConsumer(0)
	room, err := tx.Reserve(1000)
	if err != nil {
		panic(err)
	}
	n := copy(room, "built in place")
	tx.Commit(n)
	var m ring.Item
	rx.Next(&m)
	fmt.Printf("%s\n", m.Bytes)
	// Output: built in place
}

// A batch takes what fits now; the caller goes on with the rest.
func ExampleProducer_SendBatch() {
	r := heap()
	tx := r.NewProducer(layout.PlaceFree)
	rx, _ := r.NewConsumer(0)
	rest := make([][]byte, 10)
	for len(rest) > 0 {
		n, err := tx.SendBatch(rest)
		fmt.Println(n, err)
		rest = rest[n:]
		var m ring.Item
		for rx.Next(&m) == nil {
			rx.Release(m.Pos)
		}
	}
	// Output:
	// 8 <nil>
	// 2 <nil>
}

// Messages may be held as long as one likes and given back in any order; the room is free
// when all before it is.
func ExampleConsumer_Release() {
	r := heap()
	tx := r.NewProducer(layout.PlaceFree)
	rx, _ := r.NewConsumer(0)
	tx.SendBatch([][]byte{[]byte("a"), []byte("b")})
	var a, b ring.Item
	rx.Next(&a)
	rx.Next(&b)
	fmt.Println(rx.Release(b.Pos), rx.Held(), r.Head().Slot)
	fmt.Println(rx.Release(a.Pos), rx.Held(), r.Head().Slot)
	fmt.Println(rx.Release(a.Pos))
	// Output:
	// true 1 0
	// true 0 2
	// false
}

// A sender that dies between its reservation and its commit leaves a hole. Who lives is
// waited for, who is dead is passed.
func ExampleConsumer_Skip() {
	r := heap()
	doomed, tx := r.NewProducer(2), r.NewProducer(3)
	rx, _ := r.NewConsumer(0)
	doomed.Reserve(8)
	tx.Send([]byte("from a survivor"))

	var m ring.Item
	fmt.Println(errors.Is(rx.Next(&m), ring.ErrHole))
	owner, _ := rx.Skip(func(int) bool { return true })
	fmt.Println("waiting for place", owner)
	rx.Skip(func(place int) bool { return place != 2 }) // it was killed meanwhile
	rx.Next(&m)
	fmt.Printf("%s\n", m.Bytes)
	// Output:
	// true
	// waiting for place 2
	// from a survivor
}

// A receiver that dies has a successor, which begins at the published head.
func ExampleRing_NewConsumer() {
	r, v := heapView()
	tx := r.NewProducer(layout.PlaceFree)
	rx, _ := r.NewConsumer(0)
	tx.Send([]byte("maybe seen"))
	var m ring.Item
	rx.Next(&m) // and dies

	atDeath := v.Control.Tail.V.Load()
	next, _ := r.NewConsumer(atDeath)
	next.Next(&m)
	fmt.Printf("%s, again: %v\n", m.Bytes, m.Redelivered)
	// Output: maybe seen, again: true
}
