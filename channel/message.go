package channel

import (
	"bytes"
	"time"

	"shmring/internal/race"
)

// A Message is one received message, in place in shared memory. It is valid until
// Release, which may come from any goroutine and in any order. Until then its room
// in the ring stays taken. Against a sender that is hostile, not only broken, use
// RecvAppend or Clone: it could change the bytes while they are read.
type Message struct {
	// Four words: what is larger goes through memory at every call instead of registers.
	rx   *Receiver
	data *byte
	pos  uint64
	meta uint64 // length, and messageAgain
}

// messageAgain marks in Message.meta a message that may come for the second time.
const messageAgain = 1 << 63

// Clone returns a private copy of the payload.
func (m Message) Clone() []byte { return bytes.Clone(m.Bytes()) }

// Redelivered reports that a receiver that died may have been given this message.
func (m Message) Redelivered() bool { return m.meta&messageAgain != 0 }

// Position returns the message's place in the order of the channel. It grows by at
// least one from message to message and starts anew with each receiver's attachment.
func (m Message) Position() uint64 { return m.pos }

// Sent returns when the message was committed. It returns the zero time after Release, and
// if the channel was created without Options.Timestamps.
func (m Message) Sent() time.Time {
	if m.rx == nil {
		return time.Time{}
	}
	m.rx.gate.mu.Lock()
	defer m.rx.gate.mu.Unlock()
	ns := int64(0)
	if !m.rx.gone {
		m.rx.ch.try(func() { ns = m.rx.cons.SentNs(m.pos) })
	}
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// Release gives the message's room back. A second Release does nothing. If the
// receiver was closed and this was the last message it held, Release completes the
// close.
func (m Message) Release() {
	rx := m.rx
	if rx == nil {
		return
	}
	rx.gate.mu.Lock()
	if rx.gone || !rx.giveBack(m.pos) {
		rx.gate.mu.Unlock()
		return
	}
	rx.completeClose()
}

// ReleaseBatch is Release for several messages in one turn, which is cheaper. Messages
// that were released before, or are another receiver's, are passed over.
func (rx *Receiver) ReleaseBatch(ms []Message) {
	rx.gate.mu.Lock()
	if rx.gone {
		rx.gate.mu.Unlock()
		return
	}
	rx.ch.token.Release(race.Room)
	// A fault is met again by the next call; the messages are given back all the same.
	_ = rx.ch.guardData(func() error {
		for i := rx.releaseFront(ms); i < len(ms); i++ {
			if ms[i].rx == rx {
				rx.cons.ReleaseLater(ms[i].pos)
			}
		}
		rx.cons.SettleReleases()
		rx.showReleased()
		return nil
	})
	rx.completeClose()
}

// releaseFront releases the messages with which ms begins, if they are the oldest held and follow
// each other, and returns how many those were.
func (rx *Receiver) releaseFront(ms []Message) int {
	n := 0
	for n < len(ms) && ms[n].rx == rx && ms[n].pos == ms[0].pos+uint64(n) {
		n++
	}
	if n == 0 {
		return 0
	}
	return rx.cons.ReleaseFront(ms[0].pos, n)
}

// giveBack releases one message, under the gate, and reports whether it was held. If it
// was the last, others are told that nothing is held any more.
func (rx *Receiver) giveBack(pos uint64) bool {
	if !rx.ch.opts.Guard {
		return rx.giveBackBare(pos)
	}
	held := false
	err := rx.ch.guard(func() error { held = rx.giveBackBare(pos); return nil })
	return held || err != nil // released and not published: the memory is gone
}

func (rx *Receiver) giveBackBare(pos uint64) bool {
	rx.ch.token.Release(race.Room)
	if !rx.cons.Release(pos) {
		return false
	}
	rx.showReleased()
	return true
}

// showReleased tells others that nothing is held any more, if they were told otherwise.
func (rx *Receiver) showReleased() {
	if rx.shown != 0 && rx.cons.Held() == 0 {
		rx.showHeld(0)
	}
}

// completeClose completes the close of a receiver that waited for its last message. It is
// called with the gate's mutex and gives it back.
func (rx *Receiver) completeClose() {
	if !rx.gate.closed || rx.gate.running || rx.held() > 0 {
		rx.gate.mu.Unlock()
		return
	}
	rx.gone = true
	rx.gate.mu.Unlock()
	if err := rx.release(); err != nil {
		rx.ch.logWarn("complete the close of a receiver", err)
	}
}
