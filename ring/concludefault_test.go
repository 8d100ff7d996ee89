//go:build fault

package ring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/futex"
	"shmring/internal/fault"
)

// Between a sender's two loads another one sends and all is received: the head that it
// sees lies beyond its tail. That is neither a full ring nor a damaged one.
func TestATailThatMovesProvesNothing(t *testing.T) {
	for name, call := range map[string]func(p *Producer) error{
		"send":  func(p *Producer) error { return p.Send(nil) },
		"batch": func(p *Producer) error { _, err := p.SendBatch([][]byte{{1}}); return err },
		"room":  func(p *Producer) error { return p.Room(0) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newRing(t, params(1, 16, 0))
			p, other, rx := r.NewProducer(2), r.NewProducer(3), newConsumer(t, r)
			once := false
			fault.SetHook(func(point string) {
				if once || point != "ring.claim.tail" && point != "ring.room.tail" {
					return
				}
				once = true
				require.NoError(t, other.Send([]byte("x")))
				recv(t, rx)
				rx.Publish()
			})
			defer fault.SetHook(nil)
			require.NoError(t, call(p))
			require.True(t, once)
		})
	}
}

// Whoever announces himself right after a commit, or right after head is published, is seen:
// the bits are looked at last.
func TestABitThatIsSetAfterThePublicationIsSeen(t *testing.T) {
	r, v := newRing(t, params(1, 16, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	data, space := &v.Control.Data, &v.Control.Space
	fault.SetHook(func(point string) {
		switch point {
		case "ring.commit.stored":
			futex.Announce(data, 0)
		case "ring.publish.stored":
			futex.Announce(space, 2)
		}
	})
	defer fault.SetHook(nil)
	require.NoError(t, tx.Send([]byte("x")))
	require.EqualValues(t, 1, data.Seq.Load())
	recv(t, rx)
	rx.Publish()
	require.EqualValues(t, 1, space.Seq.Load())
}

// A sender reserves between the sealer's look at tail and its change of it.
func TestASealTakesNothingFromASenderBesideIt(t *testing.T) {
	r, _ := newRing(t, params(2, 16, 0))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	fault.SetHook(func(point string) {
		if point == "ring.seal.load" {
			require.NoError(t, tx.Send([]byte("x")))
		}
	})
	r.Seal()
	fault.SetHook(nil)
	require.Equal(t, []byte("x"), recv(t, rx))
	var it Item
	require.Equal(t, ErrEnd, rx.Next(&it))
}
