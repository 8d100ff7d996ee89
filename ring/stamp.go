package ring

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"shmring/internal/layout"
)

// stamp stores the checksum and the time of a message, if the segment has them. The
// slot is still ours: the commit word that follows publishes both.
func (s *shape) stamp(c cell, payload []byte) {
	if s.checksumOff != 0 {
		c.set(s.checksumOff, xxhash.Sum64(payload))
	}
	if s.timestampOff != 0 {
		c.set(s.timestampOff, uint64(time.Now().UnixNano()))
	}
}

// SentNs returns when a message that is held was sent, in Unix nanoseconds; zero without
// timestamps, or if it is not held.
func (c *Consumer) SentNs(pos uint64) int64 {
	from, to := c.head, c.next
	if c.gone.active {
		from, to = c.gone.head, c.gone.next
	}
	held := pos-uint64(from) < uint64(to-from) && c.found[c.index(slotPos(pos))]&heldNow != 0
	if c.timestampOff == 0 || !held {
		return 0
	}
	return int64(c.cell(slotPos(pos)).word(c.timestampOff).Load())
}

// unstamp reads both back and verifies the checksum.
func (s *shape) unstamp(c cell, it *Item) error {
	if s.checksumOff != 0 {
		it.Sum = c.word(s.checksumOff).Load()
		if it.Sum != xxhash.Sum64(it.Bytes) {
			return corrupt(layout.PoisonChecksum, it.Sum, "payload does not match its checksum")
		}
	}
	if s.timestampOff != 0 {
		it.SentNs = int64(c.word(s.timestampOff).Load())
	}
	return nil
}
