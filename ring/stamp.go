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
