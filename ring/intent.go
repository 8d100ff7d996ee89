package ring

// An intent word says which slots a participant is reserving or filling:
//
//	63      62        40 39                           0
//	[ valid ][  count  ][ low 40 bits of the position  ]
//
// Zero says none. It is stored before the CAS that reserves, and cleared after the
// last commit or a lost CAS. Forty bits are enough: a position that differs only
// above them is at least 2^40 slots away, and a ring has at most 2^22.
const (
	intentValid     = 1 << 63
	intentPosBits   = 40
	intentPosMask   = 1<<intentPosBits - 1
	intentCountMask = 1<<(63-intentPosBits) - 1
)

// IntentOf returns the intent word for n slots from pos on.
func IntentOf(pos uint64, n int) uint64 {
	return intentValid | uint64(n)&intentCountMask<<intentPosBits | pos&intentPosMask
}

// IntentRange returns the low 40 bits of the first position and the number of slots
// of an intent word. It reports false if the word names no slot.
func IntentRange(intent uint64) (pos, n uint64, ok bool) {
	n = intent >> intentPosBits & intentCountMask
	return intent & intentPosMask, n, intent&intentValid != 0 && n != 0
}

// Covers reports whether an intent word names the slot at pos.
func Covers(intent, pos uint64) bool {
	first, n, ok := IntentRange(intent)
	return ok && (pos-first)&intentPosMask < n
}
