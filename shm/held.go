package shm

// Held says which lock bytes of a segment a process has.
type Held struct {
	Places  []int // of participants
	Control bool  // the control lock
}

func (h Held) none() bool { return len(h.Places) == 0 && !h.Control }
