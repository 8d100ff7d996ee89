package layout

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGeometryRefusesParamsOutsideTheLimits(t *testing.T) {
	for name, edit := range map[string]func(*Params){
		"no kind":                 func(p *Params) { p.Kind = 0 },
		"unknown kind":            func(p *Params) { p.Kind = 3 },
		"channel without ring":    func(p *Params) { p.RingKind = RingNone },
		"unknown ring":            func(p *Params) { p.RingKind = 3 },
		"event with a ring":       func(p *Params) { p.Kind = KindEvent },
		"no slots":                func(p *Params) { p.SlotCount = 0 },
		"odd slots":               func(p *Params) { p.SlotCount = 48 },
		"too many slots":          func(p *Params) { p.SlotCount = 2 * MaxSlots },
		"slots near the overflow": func(p *Params) { p.SlotCount = 1 << 63 },
		"tiny slots":              func(p *Params) { p.SlotSize = MinSlotSize / 2 },
		"huge slots":              func(p *Params) { p.SlotSize = 2 * MaxSlotSize },
		"odd slot size":           func(p *Params) { p.SlotSize = 96 },
		"no slot size":            func(p *Params) { p.SlotSize = 0 },
		"checksums in 16 bytes":   func(p *Params) { p.SlotSize, p.Options = 16, OptChecksums },
		"timestamps in 16 bytes":  func(p *Params) { p.SlotSize, p.Options = 16, OptTimestamps },
		"few participants":        func(p *Params) { p.MaxParticipants = MinParticipants - 1 },
		"many participants":       func(p *Params) { p.MaxParticipants = MaxParticipants + 1 },
		"small arena":             func(p *Params) { p.ArenaSize = MinArena / 2 },
		"large arena":             func(p *Params) { p.ArenaSize = 2 * MaxArena },
		"odd arena":               func(p *Params) { p.ArenaSize = 3 * MinArena },
		"unknown option":          func(p *Params) { p.Options = optKnown + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			p := small()
			edit(&p)
			g, err := NewGeometry(p)
			require.ErrorIs(t, err, ErrInvalid)
			assert.Zero(t, g)
		})
	}
}

// everyGeometry calls f with all combinations of limits and the values between.
func everyGeometry(t *testing.T, f func(g Geometry)) {
	t.Helper()
	for _, slots := range []uint64{1, 2, 16, 256, MaxSlots} {
		for _, size := range []uint32{32, 64, MaxSlotSize} {
			for _, places := range []uint32{MinParticipants, 5, 64, MaxParticipants} {
				for _, arena := range []uint64{0, MinArena, 1 << 20, MaxArena} {
					for options := range uint32(optKnown + 1) {
						p := Params{
							Kind: KindChannel, RingKind: RingSPSC, SlotCount: slots, SlotSize: size,
							MaxParticipants: places, ArenaSize: arena, Options: options,
						}
						g, err := NewGeometry(p)
						require.NoError(t, err, "%+v", p)
						f(g)
					}
				}
			}
		}
	}
}

func TestGeometryRegionsFollowEachOtherWithoutOverlap(t *testing.T) {
	everyGeometry(t, func(g Geometry) {
		ok := g.ParticipantsOff >= ControlOff+ControlSize &&
			g.DeathsOff == g.ParticipantsOff+uint64(g.MaxParticipants)*ParticipantSize &&
			g.SlotsOff >= g.DeathsOff+DeathCount*DeathSize &&
			g.ArenaOff >= g.SlotsOff+g.SlotCount*uint64(g.SlotSize) &&
			g.TotalSize == g.ArenaOff+g.ArenaSize
		require.True(t, ok, "%+v", g)
		aligned := g.ParticipantsOff%PageSize == 0 && g.DeathsOff%DeathSize == 0 &&
			g.SlotsOff%PageSize == 0 && g.ArenaOff%PageSize == 0 && g.TotalSize%PageSize == 0
		require.True(t, aligned, "%+v", g)
		require.Equal(t, g.SlotCount, uint64(1)<<g.SlotShift)
		require.Equal(t, g.ArenaSize, g.ArenaUnits*ArenaUnit)
	})
}

func TestGeometryOfASlot(t *testing.T) {
	for _, c := range []struct {
		options                      uint32
		checksum, timestamp, payload uint32
	}{
		{0, 0, 0, 8},
		{OptChecksums, 8, 0, 16},
		{OptTimestamps, 0, 8, 16},
		{OptChecksums | OptTimestamps, 8, 16, 24},
		{OptPersistent | OptNameless, 0, 0, 8},
	} {
		p := small()
		p.Options = c.options
		g, err := NewGeometry(p)
		require.NoError(t, err)
		assert.Equal(t, c.checksum, g.ChecksumOff, "options %b", c.options)
		assert.Equal(t, c.timestamp, g.TimestampOff, "options %b", c.options)
		assert.Equal(t, c.payload, g.PayloadOff, "options %b", c.options)
		assert.Equal(t, p.SlotSize-c.payload, g.InlineMax, "options %b", c.options)
	}
}

func TestGeometryLargestMessage(t *testing.T) {
	for _, c := range []struct {
		slot  uint32
		arena uint64
		want  int
	}{
		{64, 0, 56},
		{16, 0, 8},
		{64, MinArena, MinArena / 2},
		{MaxSlotSize, MinArena, MaxSlotSize - CommitSize},
		{64, MaxArena, MaxArena / 2},
	} {
		p := small()
		p.SlotSize, p.ArenaSize = c.slot, c.arena
		g, err := NewGeometry(p)
		require.NoError(t, err)
		assert.Equal(t, c.want, g.MaxMessage(), "%+v", c)
	}
}

func TestGeometryEveryMessageFitsACommitWord(t *testing.T) {
	everyGeometry(t, func(g Geometry) { require.LessOrEqual(t, g.MaxMessage(), MaxLength) })
}

func TestGeometryOfAnEventSegment(t *testing.T) {
	p := small()
	p.Kind, p.RingKind = KindEvent, RingNone
	g, err := NewGeometry(p)
	require.NoError(t, err)
	h := NewHeader(g)
	_, got, err := Decode(h.Encode(), g.TotalSize)
	require.NoError(t, err)
	assert.Equal(t, g, got)
}

// TestRuler compares the structs with a picture drawn by hand, so that an edit of a
// struct that moves a field is seen as what it is.
func TestRuler(t *testing.T) {
	want := map[string]uint64{
		"Header.Magic": 0, "Header.Version": 8, "Header.TotalSize": 16, "Header.LockBase": 24,
		"Header.Fingerprint": 32, "Header.Compat": 40, "Header.ROCompat": 48, "Header.Incompat": 56,
		"Header.Kind": 64, "Header.RingKind": 68, "Header.SlotCount": 72, "Header.SlotSize": 80,
		"Header.MaxParticipants": 84, "Header.ArenaSize": 88, "Header.Options": 96,
		"Header.Instance": 104, "Header.BootID": 120, "Header.CreatedNs": 136,
		"Header.CreatorPID": 144, "Header.CreatorUID": 148, "Header.CreatorComm": 152,
		"Header.Checksum": 4088,
		"Control.State.V": 0, "Control.Tail.V": 128, "Control.Head.V": 256,
		"Control.Data.Seq": 384, "Control.Data.Bits": 392,
		"Control.Space.Seq": 512, "Control.StateEvent.Seq": 640, "Control.Membership.Seq": 768,
		"Control.Poison.Code": 896, "Control.Totals.Received": 1024,
		"Control.Holder.Who.PID": 1152,
		"Control.Transitions":    1280, "Control.Depends": 3328, "Control.Plan.Set": 7424,
		"Transition.Tag": 0, "Transition.From": 8, "Transition.Who.PID": 16,
		"Transition.Reason": 96,
		"Dependency.State":  0, "Dependency.Instance": 8, "Dependency.Name": 24,
		"Participant.Claim": 0, "Participant.Who.PID": 8, "Participant.Dead": 56,
		"Participant.Intent": 128, "Participant.BusyNote": 200,
		"Death.Claim": 0, "Death.Who.PID": 8,
	}
	got := map[string]uint64{}
	for _, table := range Tables() {
		for _, f := range table.Fields {
			got[table.Name+"."+f.Name] = f.Offset
		}
	}
	for name, off := range want {
		have, ok := got[name]
		if assert.True(t, ok, "no field %s", name) {
			assert.Equal(t, off, have, name)
		}
	}
}

func TestTablesAreOrderedDocumentedAndInside(t *testing.T) {
	for _, table := range Tables() {
		var end uint64
		for _, f := range table.Fields {
			assert.GreaterOrEqual(t, f.Offset, end, "%s.%s overlaps", table.Name, f.Name)
			assert.NotEmpty(t, f.Doc, "%s.%s", table.Name, f.Name)
			assert.NotZero(t, f.Size, "%s.%s", table.Name, f.Name)
			if strings.Contains(f.Type, "64") {
				assert.Zero(t, f.Offset%8, "%s.%s is not aligned", table.Name, f.Name)
			}
			end = f.Offset + f.Size
		}
		assert.LessOrEqual(t, end, table.Size, table.Name)
	}
}

func TestTablesHaveEveryWriterOnItsOwnLine(t *testing.T) {
	line := map[uint64]string{}
	for _, table := range Tables() {
		if table.Name != "Control" {
			continue
		}
		for _, f := range table.Fields {
			owner, _, _ := strings.Cut(f.Name, ".")
			first, ok := line[f.Offset/Line]
			if !ok {
				line[f.Offset/Line], first = owner, owner
			}
			assert.Equal(t, first, owner, "line %d", f.Offset/Line)
		}
	}
}

func TestFingerprintIsCurrent(t *testing.T) {
	require.Equal(t, uint64(Fingerprint), ComputeFingerprint(),
		"the layout changed: set Fingerprint to %#x, raise Version if it was published, then run "+
			"go generate ./internal/layout and go test ./internal/layout -update",
		ComputeFingerprint())
}
