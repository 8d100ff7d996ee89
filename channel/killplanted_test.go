//go:build fault

package channel_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
)

// TestPlantedFaultsOfATrialAreFound breaks the account of a trial in one place each: what
// a campaign of kills counts as zero, it can count.
func TestPlantedFaultsOfATrialAreFound(t *testing.T) {
	const sent = 6 // messages of sender 1, the last not acknowledged
	for name, c := range map[string]struct {
		plant func(x *killTrial)
		want  string // empty: nothing is wrong
		lost  int64
	}{
		"healthy": {func(*killTrial) {}, "", 0},
		"the one that was not acknowledged is missing": {func(x *killTrial) {
			x.got.seen[1] &^= 1 << (sent - 1)
		}, "", 0},
		"lost": {func(x *killTrial) { x.got.seen[1] &^= 1 << 2 }, "1 acknowledged messages", 1},
		"lost, and a killed appender may have taken one": {func(x *killTrial) {
			x.got.seen[1] &^= 1 << 2
			x.robbed = 1
		}, "", 0},
		"two lost, and a killed appender may have taken one": {func(x *killTrial) {
			x.got.seen[1] &^= 3 << 2
			x.robbed = 1
		}, "2 acknowledged messages", 2},
		"lost by force, and not counted": {func(x *killTrial) {
			x.got.seen[1] &^= 1 << 2
			x.forced = true
		}, "1 acknowledged messages", 1},
		"damaged, where that was planned": {func(x *killTrial) {
			x.setting = poisoned
			x.book.acked[0].Store(4)
			x.book.begun[0].Store(4)
			x.got.seen[0] = 0b1011
		}, "", 0},
		"another is lost beside the damaged one": {func(x *killTrial) {
			x.setting = poisoned
			x.book.acked[0].Store(4)
			x.book.begun[0].Store(4)
			x.got.seen[0] = 0b0011
		}, "1 acknowledged messages", 1},
		"taken for good, and again": {func(x *killTrial) {
			markMessage(x.book.taken[1], 3)
		}, "after RecvAppend", 0},
		"again, marked": {func(x *killTrial) {
			markMessage(x.book.given[1], 3)
			x.got.again[1] |= 1 << 3
		}, "", 0},
		"again, unmarked": {func(x *killTrial) {
			markMessage(x.book.given[1], 3)
		}, "without saying so", 0},
		"never sent": {func(x *killTrial) { x.got.seen[1] |= 1 << sent }, "never sent", 0},
		"of nobody":  {func(x *killTrial) { x.got.seen[5] |= 1 }, "never sent", 0},
	} {
		t.Run(name, func(t *testing.T) {
			book, err := openLedger(filepath.Join(t.TempDir(), "book"))
			require.NoError(t, err)
			x := &killTrial{killer: &killer{book: book}, got: &catch{}}
			x.setting = seeded
			book.acked[1].Store(sent - 1)
			book.begun[1].Store(sent)
			x.got.seen[1] = 1<<sent - 1
			c.plant(x)
			err = x.account()
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
			require.Equal(t, c.lost, x.counts.lost)
		})
	}
}

// TestPlantedFaultsOfACatchAreFound has a receiver of a trial get what must not come.
func TestPlantedFaultsOfACatchAreFound(t *testing.T) {
	ctx := begin(t)
	for name, c := range map[string]struct {
		send [][]byte
		want string
	}{
		"in order":     {[][]byte{message(1, 0), message(1, 1)}, ""},
		"out of order": {[][]byte{message(1, 1), message(1, 0)}, "message 0 after 1"},
		"twice":        {[][]byte{message(1, 1), message(1, 1)}, "message 1 after 1"},
		"torn":         {[][]byte{append(message(1, 1)[:20], message(1, 2)[20:]...)}, "torn"},
	} {
		t.Run(name, func(t *testing.T) {
			o := plain("", mpsc)
			o.Lifetime = channel.Ephemeral
			ch := newChannel(t, o)
			tx, rx := pair(t, ch)
			_, err := tx.SendBatch(ctx, c.send)
			require.NoError(t, err)
			require.NoError(t, ch.Seal("end"))
			err = (&catch{rx: rx}).run(ctx)
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
			require.NoError(t, ch.Close())
		})
	}
}
