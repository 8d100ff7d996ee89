package layout

import (
	"bytes"
	"flag"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden segment anew")

const goldenFile = "../../testdata/segment-v1.golden"

// goldenSegment builds a small segment in which every region holds something.
func goldenSegment(t *testing.T) []byte {
	t.Helper()
	h, g := smallHeader(t)
	mem := HeapMemory(g.TotalSize)
	copy(mem, h.Encode())
	v, err := Overlay(mem, g)
	require.NoError(t, err)
	fillControl(v.Control)
	for i := range v.Participants {
		fillParticipant(&v.Participants[i], uint64(i))
	}
	v.Deaths[5].Claim.Store(5)
	fillIdentity(&v.Deaths[5].Who, 500)
	fillSlots(v)
	return mem
}

func fillControl(c *Control) {
	c.State.V.Store(0x10000001)
	c.Tail.V.Store(0x8000_0000_0000_0205)
	c.Head.V.Store(0x0000_0000_0000_0102)
	for i, e := range []*Event{&c.Data, &c.Space, &c.StateEvent, &c.Membership} {
		e.Seq.Store(uint32(i + 1))
		for j := range e.Bits {
			e.Bits[j].Store(1 << (8*i + j))
		}
	}
	c.Poison.Code.Store(uint32(PoisonReference))
	c.Poison.Place.Store(2)
	c.Poison.Detail.Store(0xdeadbeef)
	c.Poison.WhenNs.Store(1_700_000_000_000_000_001)
	for i, w := range []*atomic.Uint64{
		&c.Totals.Received, &c.Totals.ReceivedBytes, &c.Totals.Holes, &c.Totals.Aborted,
		&c.Totals.Discarded, &c.Totals.Corrupt, &c.Totals.PastSent, &c.Totals.PastSentBytes,
		&c.Totals.Claims, &c.Totals.Redeliver, &c.Totals.NotDelivered,
	} {
		w.Store(uint64(i + 1))
	}
	fillIdentity(&c.Holder.Who, 100)
	StoreText(c.Holder.Op[:], "seal")
	t := &c.Transitions[1]
	t.Tag.Store(0x20000001)
	t.From.Store(0x10000000)
	fillIdentity(&t.Who, 200)
	StoreText(t.Reason[:], "a reason of a golden change")
	d := &c.Depends[15]
	d.State.Store(1)
	d.Instance[0].Store(0x0102030405060708)
	d.Instance[1].Store(0x1112131415161718)
	StoreText(d.Name[:], "other.channel")
	c.Plan.Set.Store(1)
	c.Plan.DeadlineNs.Store(1_700_000_000_000_000_002)
	fillIdentity(&c.Plan.Who, 400)
	StoreText(c.Plan.Reason[:], "a golden plan")
}

func fillParticipant(p *Participant, n uint64) {
	p.Claim.Store(n + 1)
	fillIdentity(&p.Who, 300+n)
	for i, w := range []*atomic.Uint64{
		&p.Dead, &p.Intent, &p.Messages, &p.Bytes, &p.Waits, &p.Parks, &p.Wakes,
	} {
		w.Store(n<<8 | uint64(i+1))
	}
	for i, w := range []*atomic.Uint32{&p.DeadPID, &p.DeadRole, &p.Closing, &p.Held, &p.WaitFor} {
		w.Store(uint32(n)<<8 | uint32(i+0x11))
	}
	for i, w := range []*atomic.Int64{
		&p.DeadNs, &p.BusyNs, &p.BusyMaxNs, &p.ProgressNs, &p.WaitNs,
	} {
		w.Store(int64(n)<<8 | int64(i+0x21))
	}
	StoreText(p.BusyNote[:], "a note")
}

func fillIdentity(id *Identity, n uint64) {
	id.PID.Store(uint32(n))
	id.Role.Store(uint32(RoleSender))
	id.PIDNS.Store(n + 1)
	id.Start.Store(n + 2)
	id.WhenNs.Store(int64(n + 3))
	StoreText(id.Comm[:], "golden")
}

// fillSlots commits an inline message, one in the arena, an aborted slot, and leaves
// the rest as they were born.
func fillSlots(v *View) {
	size := uint64(v.SlotSize)
	inline, long := "a payload in its slot", bytes.Repeat([]byte("long "), 30)
	Word(v.Slots, 0).Store(uint64(NewCommit(0, v.SlotShift, SlotInline, uint32(len(inline)))))
	copy(v.Slots[v.PayloadOff:], inline)
	Word(v.Slots, size).Store(uint64(NewCommit(17, v.SlotShift, SlotArena, uint32(len(long)))))
	Word(v.Slots, size+uint64(v.PayloadOff)).Store(uint64(NewReference(2, 3)))
	copy(v.Arena[2*ArenaUnit:], long)
	Word(v.Slots, 2*size).Store(uint64(NewCommit(34, v.SlotShift, SlotAborted, 0)))
}

func TestGoldenSegmentIsRebuiltByteForByte(t *testing.T) {
	mem := goldenSegment(t)
	if *update {
		require.NoError(t, os.WriteFile(goldenFile, mem, 0o644))
	}
	want, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	require.Len(t, mem, len(want))
	for i := range want {
		require.Equal(t, want[i], mem[i], "byte %d differs: other programs would misread it", i)
	}
}

func TestGoldenSegmentIsReadAsWritten(t *testing.T) {
	mem, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	h, g, err := Decode(mem, uint64(len(mem)))
	require.NoError(t, err)
	assert.Equal(t, uint32(4711), h.CreatorPID)
	aligned := HeapMemory(g.TotalSize)
	copy(aligned, mem)
	v, err := Overlay(aligned, g)
	require.NoError(t, err)
	assert.Equal(t, "a reason of a golden change", LoadText(v.Control.Transitions[1].Reason[:]))
	assert.Equal(t, "other.channel", LoadText(v.Control.Depends[15].Name[:]))
	assert.Equal(t, "a golden plan", LoadText(v.Control.Plan.Reason[:]))
	assert.Equal(t, uint64(11), v.Control.Totals.NotDelivered.Load())
	assert.Equal(t, uint64(3<<8|2), v.Participants[3].Intent.Load())
	c := Commit(Word(v.Slots, 64).Load())
	assert.Equal(t, SlotArena, c.Kind())
	r := Reference(Word(v.Slots, 64+uint64(g.PayloadOff)).Load())
	at := r.Pos() * ArenaUnit
	assert.Equal(t, "long long ", string(v.Arena[at:at+10]))
	assert.Equal(t, uint32(150), c.Length())
}
