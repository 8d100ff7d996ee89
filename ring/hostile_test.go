package ring

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"shmring/internal/layout"
	"shmring/internal/race"
	"shmring/internal/shmtest"
)

// A victim is a ring with both halves in use, on which a script of calls is run after
// somebody has written anything into the segment. Every call must return a value or an
// error of this package, in bounded steps, and stay inside the memory.
type victim struct {
	r    *Ring
	v    *layout.View
	tx   *Producer
	rx   *Consumer
	held []uint64
	sum  byte // so that every byte that was handed out is read
}

func newVictim(p layout.Params, at start) (*victim, error) {
	r, v, err := NewHeap(p)
	if err != nil {
		return nil, err
	}
	r.Init(at.slot, at.arena)
	x := &victim{r: r, v: v, tx: r.NewProducer(2)}
	x.rx, err = r.NewConsumer(0)
	return x, err
}

// words are the control words that a peer may have damaged.
func (x *victim) words() map[string]*atomic.Uint64 {
	out := map[string]*atomic.Uint64{
		"tail": x.r.tail, "head": x.r.head,
		"intent of the sender": x.tx.intent, "intent of another": &x.r.rows[3].Intent,
		"data bits": &x.v.Control.Data.Bits[0], "space bits": &x.v.Control.Space.Bits[0],
	}
	for i := range min(x.v.SlotCount, 4) {
		c := x.r.cell(slotPos(i))
		out[fmt.Sprintf("commit word of slot %d", i)] = c.commit()
		out[fmt.Sprintf("first payload word of slot %d", i)] = c.word(x.r.payloadOff)
		if x.r.checksumOff != 0 {
			out[fmt.Sprintf("checksum of slot %d", i)] = c.word(x.r.checksumOff)
		}
	}
	return out
}

// known are all errors that the ring returns.
var known = []error{
	ErrFull, ErrSealed, ErrTooBig, ErrPending, ErrNotPending, ErrEmpty, ErrHole, ErrEnd, ErrCorrupt,
}

func (x *victim) check(what string, err error) error {
	if err == nil {
		return nil
	}
	for _, k := range known {
		if errors.Is(err, k) {
			return nil
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// inside reads all of b, and says whether it lies in one slot or in the arena.
func (x *victim) inside(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	for _, c := range b {
		x.sum += c
	}
	at := uintptr(unsafe.Pointer(&b[0]))
	slots := uintptr(unsafe.Pointer(&x.v.Slots[0]))
	if off := at - slots; off < uintptr(len(x.v.Slots)) {
		size := uintptr(x.v.SlotSize)
		if off%size >= uintptr(x.v.PayloadOff) && off%size+uintptr(len(b)) <= size {
			return nil
		}
	}
	if len(x.v.Arena) > 0 {
		off := at - uintptr(unsafe.Pointer(&x.v.Arena[0]))
		if off < uintptr(len(x.v.Arena)) && off+uintptr(len(b)) <= uintptr(len(x.v.Arena)) {
			return nil
		}
	}
	return fmt.Errorf("%d bytes at %#x, slots from %#x", len(b), at, slots)
}

// step does one call; below decides which.
func (x *victim) step(below func(n int) int) error {
	size := below(x.v.MaxMessage() + 2)
	switch below(13) {
	case 0:
		return x.check("send", x.tx.Send(make([]byte, size)))
	case 1:
		buf, err := x.tx.Reserve(size)
		for i := range buf {
			buf[i] = 1
		}
		return errors.Join(x.inside(buf), x.check("reserve", err))
	case 2:
		return x.check("commit", x.tx.Commit(size))
	case 3:
		x.tx.Abort()
	case 4:
		n, err := x.tx.SendBatch([][]byte{make([]byte, size), {}, make([]byte, size/2), {1}})
		if n < 0 || n > 4 {
			return fmt.Errorf("batch of %d", n)
		}
		return x.check("batch", err)
	case 5, 6, 7:
		var it Item
		err := x.rx.Next(&it)
		if err == nil {
			if len(it.Bytes) > layout.MaxLength {
				return fmt.Errorf("message of %d bytes", len(it.Bytes))
			}
			if err := x.inside(it.Bytes); err != nil {
				return err
			}
			x.held = append(x.held, it.Pos)
		}
		return x.check("next", err)
	case 8:
		if n := len(x.held); n > 0 {
			i := below(n)
			if !x.rx.Release(x.held[i]) {
				return fmt.Errorf("position %d was held", x.held[i])
			}
			x.held[i] = x.held[n-1]
			x.held = x.held[:n-1]
		}
	case 9:
		alive := below(2) == 0
		_, err := x.rx.Skip(func(int) bool { return alive })
		return x.check("skip", err)
	case 10:
		return x.look()
	case 11:
		return x.control(below)
	case 12:
		c, err := x.r.NewConsumer(uint64(below(256)))
		if err == nil && below(4) == 0 {
			x.rx, x.held = c, nil
		}
		return x.check("new consumer", err)
	}
	return nil
}

// look asks everything that may be asked.
func (x *victim) look() error {
	x.rx.Ready()
	x.rx.Redelivering()
	x.r.Drained()
	depth, err := x.r.Depth()
	if err := x.check("depth", err); err != nil {
		return err
	}
	unread, err2 := x.r.Unread()
	if err2 == nil && unread > x.v.SlotCount || err == nil && depth > x.v.SlotCount ||
		x.r.ArenaUsed() > x.v.ArenaSize || x.rx.Len() > int(x.v.SlotCount) {
		return fmt.Errorf("depth %d, unread %d, arena %d, len %d of %d slots and %d bytes",
			depth, unread, x.r.ArenaUsed(), x.rx.Len(), x.v.SlotCount, x.v.ArenaSize)
	}
	return errors.Join(x.check("unread", err2), x.check("check", x.r.Check()),
		x.check("room", x.tx.Room(9)))
}

func (x *victim) control(below func(n int) int) error {
	switch below(6) {
	case 0:
		x.r.Seal()
	case 1, 2:
		x.r.Unseal()
	case 3:
		_, err := x.rx.Scrub()
		return x.check("scrub", err)
	case 4:
		x.rx.Flush()
		x.tx.Flush()
	case 5:
		if below(8) == 0 {
			if n := x.rx.Discard(0); n > x.v.SlotCount {
				return fmt.Errorf("discarded %d", n)
			}
		}
	}
	return nil
}

// wrongs returns values that a word never or hardly ever has.
func wrongs(x *victim, w uint64, rnd *rand.Rand) []uint64 {
	lap := uint64(1) << 38
	return []uint64{
		0, 1, ^uint64(0), 1 << 63, 1<<63 - 1, w + 1, w - 1, w ^ 1<<63, w + lap, w - lap, w ^ 1<<36,
		w ^ 1<<28, w | layout.MaxLength, w + x.v.SlotCount<<x.r.arenaBits,
		w - x.v.SlotCount<<x.r.arenaBits, w + 1<<x.r.arenaBits, w - 1<<x.r.arenaBits,
		w + x.v.ArenaUnits, w - x.v.ArenaUnits, w + 1<<32, w ^ 0xffffffff,
		rnd.Uint64(), rnd.Uint64(),
	}
}

// Every word with every wrong value, at some moment of a life, and then life goes on.
func TestEveryWordMayBeWrong(t *testing.T) {
	rnd, _ := shmtest.Rand(t)
	below := rnd.IntN
	for _, p := range []layout.Params{
		params(1, 16, 0), params(4, 32, 4096), stamped(4, 64, 4096), params(16, 64, 64<<10),
	} {
		at := starts(p)
		first, err := newVictim(p, at[0])
		require.NoError(t, err)
		for name := range first.words() {
			for i := range wrongs(first, 0, rnd) {
				x, err := newVictim(p, at[rnd.IntN(len(at))])
				require.NoError(t, err)
				for range rnd.IntN(20) {
					require.NoError(t, x.step(below))
				}
				w := x.words()[name]
				w.Store(wrongs(x, w.Load(), rnd)[i])
				for range 200 {
					require.NoError(t, x.step(below), "%s, wrong value %d", name, i)
				}
			}
		}
	}
}

// A ring whose every byte is random.
func TestEveryByteMayBeWrong(t *testing.T) {
	rnd, _ := shmtest.Rand(t)
	rounds := 3000
	if testing.Short() || race.Enabled {
		rounds = 200
	}
	for range rounds {
		p := shapes[rnd.IntN(len(shapes))]
		x, err := newVictim(p, start{rnd.Uint64(), rnd.Uint64()})
		require.NoError(t, err)
		for range rnd.IntN(20) {
			require.NoError(t, x.step(rnd.IntN))
		}
		scribble(x, rnd)
		for range 100 {
			require.NoError(t, x.step(rnd.IntN))
		}
	}
}

// scribble overwrites all slots, and maybe some of the words in front of them.
func scribble(x *victim, rnd *rand.Rand) {
	for i := range x.v.Slots {
		x.v.Slots[i] = byte(rnd.Uint32())
	}
	for _, w := range x.words() {
		if rnd.IntN(3) == 0 {
			w.Store(rnd.Uint64())
		}
	}
}

// Somebody keeps flipping bits of the control words while both halves are at work: a word
// that was checked is not read again.
func TestWordsMayChangeAtAnyTime(t *testing.T) {
	shmtest.Watchdog(t, 2*time.Minute)
	rnd, seed := shmtest.Rand(t)
	rounds, steps := 40, 1500
	if testing.Short() || race.Enabled {
		rounds, steps = 12, 300
	}
	for round := range rounds {
		p := shapes[rnd.IntN(len(shapes))]
		x, err := newVictim(p, start{rnd.Uint64(), rnd.Uint64()})
		require.NoError(t, err)
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			flip(x, rand.New(rand.NewPCG(seed, uint64(round))), stop)
		}()
		for range steps {
			if err = x.step(rnd.IntN); err != nil {
				break
			}
		}
		close(stop)
		<-done
		require.NoError(t, err)
	}
}

// flip changes words of x, only those that both halves load and store atomically.
func flip(x *victim, rnd *rand.Rand, stop <-chan struct{}) {
	words := []*atomic.Uint64{x.r.tail, x.r.head, &x.r.rows[3].Intent}
	for i := range x.v.SlotCount {
		words = append(words, x.r.cell(slotPos(i)).commit())
	}
	for {
		select {
		case <-stop:
			return
		default:
		}
		w := words[rnd.IntN(len(words))]
		old := w.Load()
		for range rnd.IntN(4) {
			w.Store(wrongs(x, old, rnd)[rnd.IntN(23)])
		}
		if rnd.IntN(2) == 0 {
			w.Store(old)
		}
	}
}

func TestCorruptErrorSaysWhichWord(t *testing.T) {
	r, _ := newRing(t, params(2, 32, 0))
	r.cell(0).commit().Store(1 << 30)
	var it Item
	err := newConsumer(t, r).Next(&it)
	var c *CorruptError
	require.ErrorAs(t, err, &c)
	require.Equal(t, uint64(1<<30), c.Detail)
	require.Equal(t, layout.PoisonCommit, c.Code)
	require.ErrorContains(t, err, "0x0000000040000000")
	require.NotErrorIs(t, err, ErrEmpty)
}

// ruling are the control words in a fixed order.
func (x *victim) ruling() []*atomic.Uint64 {
	words := x.words()
	out := make([]*atomic.Uint64, 0, len(words))
	for _, name := range slices.Sorted(maps.Keys(words)) {
		out = append(out, words[name])
	}
	return out
}
