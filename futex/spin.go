package futex

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Round is how many pauses lie between two looks of a spinning waiter. Looking more
// often takes the cache line from the one who is about to write it.
const Round = 16

// DefaultSpin is the longest spin before a park where the caller does not say: about
// what a park and a wake cost.
const DefaultSpin = 50 * time.Microsecond

// Pause tells the processor n times that this is a spin loop.
func Pause(n int) { pause(n) }

// A Spinner decides how long one waiter spins before it parks, and learns from how
// it went. It belongs to one goroutine at a time.
type Spinner struct {
	limit  int // rounds at most
	budget int // rounds next time
}

// minSpin is the probe that is left when spinning does not pay, so that the spinner
// notices when it does again.
const minSpin = 4

// NewSpinner returns a Spinner that spins for limit at most: zero is DefaultSpin,
// negative never. On one processor nobody spins: the peer could not run meanwhile.
func NewSpinner(limit time.Duration) Spinner {
	if limit == 0 {
		limit = DefaultSpin
	}
	if limit < 0 || processors() < 2 {
		return Spinner{}
	}
	rounds := max(minSpin, int(limit/roundTime()))
	return Spinner{limit: rounds, budget: rounds}
}

// Begin returns how many rounds to spin now; zero: park at once.
func (s *Spinner) Begin() int { return s.budget }

// Hit says that something came in the given round: there is room for twice that.
func (s *Spinner) Hit(round int) {
	if s.limit == 0 {
		return
	}
	if want := 2 * (round + minSpin); want > s.budget {
		s.budget = min(s.limit, want)
	}
}

// Miss says that the spin was in vain: half of it next time.
func (s *Spinner) Miss() {
	if s.limit != 0 {
		s.budget = max(minSpin, s.budget/2)
	}
}

func processors() int {
	n := runtime.GOMAXPROCS(0)
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err == nil {
		n = min(n, set.Count())
	}
	return n
}
