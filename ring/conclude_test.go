package ring

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/internal/shmtest"
)

// The positions of others have wrapped around the head that a sender remembers: the ring
// is full, and by that head it would have room.
func TestCachedHeadIsNotBelievedAfterAWrap(t *testing.T) {
	for name, send := range map[string]func(p *Producer) error{
		"send":  func(p *Producer) error { return p.Send(nil) },
		"batch": func(p *Producer) error { _, err := p.SendBatch([][]byte{{1}}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := newRing(t, params(4, 16, 0))
			p := r.NewProducer(2)
			require.NoError(t, send(p)) // remembers the head at 0
			r.tail.Store(r.pack(3, 0))
			r.head.Store(r.pack(^slotPos(0), 0))
			require.Equal(t, ErrFull, send(p))
		})
	}
}

// A receiver that has received everything and released only the last message is at the
// tail; the arena of what it holds is not free for that.
func TestArenaOfWhatIsHeldIsNotFreedAtTheTail(t *testing.T) {
	r, _ := newRing(t, params(8, 32, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	sendN(t, tx, 2, 2048)
	var first, second, none Item
	require.NoError(t, rx.Next(&first))
	require.NoError(t, rx.Next(&second))
	require.True(t, rx.Release(second.Pos))
	require.Equal(t, ErrEmpty, rx.Next(&none))
	_, err := tx.Reserve(2048)
	require.Equal(t, ErrFull, err)
	require.True(t, rx.Release(first.Pos))
	_, err = tx.Reserve(2048)
	require.NoError(t, err)
}

// An abort that is passed while an earlier one is remembered is remembered when head
// comes to that one, though the ring never becomes empty.
func TestArenaOfAbortsThatComeOneAfterAnotherIsFreed(t *testing.T) {
	r, _ := newRing(t, params(8, 32, 4096))
	tx, rx := r.NewProducer(2), newConsumer(t, r)
	abort := func() {
		_, err := tx.Reserve(1024)
		require.NoError(t, err)
		tx.Abort()
	}
	var held, late, none Item
	sendN(t, tx, 1, 8)
	require.NoError(t, rx.Next(&held))
	abort()
	require.Equal(t, ErrEmpty, rx.Next(&none)) // passed, and tail remembered
	abort()
	sendN(t, tx, 1, 8)
	require.NoError(t, rx.Next(&late)) // passed, nothing more remembered
	require.True(t, rx.Release(held.Pos))
	sendN(t, tx, 1, 8)
	require.True(t, rx.Release(late.Pos))
	rx.Publish()
	require.Zero(t, r.ArenaUsed(), "one small message is in the ring")
}

// A word that a peer may change is loaded once, checked, and what was checked is used. No running
// test sees a second load right after the first, so this one counts them in the source.
func TestReceivingLoadsACommitWordOnce(t *testing.T) {
	loads := make(map[string]int)
	for _, file := range []string{"next.go", "take_unsafe.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, shmtest.Source(t, file), 0)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "commit" {
						loads[fn.Name.Name]++
					}
				}
				return true
			})
		}
	}
	require.Equal(t, map[string]int{
		"Next": 1, "Take": 1, "Ready": 1, "ReadyAt": 1, "TakeRun": 1,
		"nothing": 2, // of a slot that gives nothing, before and after the look at tail
	}, loads)
}
