package futex

import (
	"fmt"
	"sync"

	"shmring/internal/layout"
)

// Sleepers counts the goroutines of this attachment that sleep at each place of one
// event. The bit in shared memory is set when the first enters and cleared when the
// last leaves. It may be used concurrently.
type Sleepers struct {
	event *layout.Event
	mu    sync.Mutex
	count []int // by place
}

// NewSleepers returns a count of zero for each of places.
func NewSleepers(e *layout.Event, places int) *Sleepers {
	return &Sleepers{event: e, count: make([]int, places)}
}

// Enter announces one more sleeper at the place. It counts before it touches the event: where
// that faults, Leave is due as well.
func (s *Sleepers) Enter(place int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[place]++
	Announce(s.event, place)
}

// Leave withdraws one sleeper of the place, which Enter must have announced.
func (s *Sleepers) Leave(place int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[place] == 0 {
		panic(fmt.Sprintf("futex: nobody sleeps at place %d", place))
	}
	if s.count[place]--; s.count[place] == 0 {
		Withdraw(s.event, place)
	}
}
