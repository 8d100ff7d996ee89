package futex

import (
	"os"
	"strings"
	"sync"
	"time"
)

// DefaultSpin is the longest spin before a park where the caller does not say: about
// what a park and a wake cost.
const DefaultSpin = 50 * time.Microsecond

// lookEvery is the time between two looks of a spinning waiter. Looking more often takes the
// cache line from the one who is about to write it; looking less often notices late. A pause
// takes some to a hundred nanoseconds, depending on the processor: it is measured once.
const lookEvery = 50 * time.Nanosecond

// minSpin is the probe that is left when spinning does not pay, so that the spinner notices
// when it does again: a peer that is at it answers within this time.
const minSpin = 2 * time.Microsecond

// Pause tells the processor n times that this is a spin loop.
func Pause(n int) { pause(n) }

// Pauses returns how many single pauses take about d, at least one.
func Pauses(d time.Duration) int { return max(1, int(d/pace().one)) }

// Round pauses between two looks of a spinning waiter.
func Round() { pause(pace().pauses) }

// A Spinner decides how long one waiter spins before it parks, and learns from how
// it went. It belongs to one goroutine at a time.
type Spinner struct {
	limit  int // rounds at most
	least  int // rounds at least
	budget int // rounds next time
}

// NewSpinner returns a Spinner that spins for limit at most: zero is DefaultSpin,
// negative never. On one processor nobody spins: the peer could not run meanwhile. Who gave
// a limit knows where the peer runs: then only the number of the machine's processors
// counts, not which of them this process may use.
func NewSpinner(limit time.Duration) Spinner {
	cpus := processors
	if limit > 0 {
		cpus = online
	}
	if limit == 0 {
		limit = DefaultSpin
	}
	if limit < 0 || cpus() < 2 {
		return Spinner{}
	}
	round := pace().round
	rounds := max(1, int(limit/round))
	return Spinner{limit: rounds, least: min(rounds, int(minSpin/round)+1), budget: rounds}
}

// Begin returns how many rounds to spin now; zero: park at once.
func (s *Spinner) Begin() int { return s.budget }

// Hit says that something came in the given round: there is room for twice that.
func (s *Spinner) Hit(round int) {
	if want := 2 * (round + s.least); want > s.budget {
		s.budget = min(s.limit, want)
	}
}

// Miss says that the spin was in vain: half of it next time.
func (s *Spinner) Miss() { s.budget = max(s.least, s.budget/2) }

// online returns how many processors the machine has, as far as two.
var online = sync.OnceValue(func() int {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err == nil && !strings.ContainsAny(string(text), "-,") { // one number, no range or list
		return 1
	}
	return 2
})
