package channel_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/internal/shmtest"
	"shmring/shm"
)

// inputTime is when an input that was not worked through counts as one that hangs.
const inputTime = time.Minute

// patchwork builds the bytes of a file: a whole segment with words changed, or, beyond the
// kinds of segment, just bytes. An edit is ten bytes: which word, from the start, and its
// new value. With seal the header gets a right checksum, so that what lies behind that
// check is met too.
func patchwork(images [][]byte, kind byte, size uint32, edits []byte, seal bool) []byte {
	if int(kind) >= len(images) {
		return edits
	}
	size %= 1 << 17
	file := append([]byte(nil), images[kind]...)
	for ; len(edits) >= 10; edits = edits[10:] {
		at := int(binary.LittleEndian.Uint16(edits)) * 8 % len(file)
		copy(file[at:], edits[2:10])
	}
	if seal {
		binary.LittleEndian.PutUint64(file[layout.PageSize-8:],
			xxhash.Sum64(file[:layout.PageSize-8]))
	}
	if size == 0 {
		return file
	}
	return append(file, make([]byte, size)...)[:size]
}

// edit changes one word of a file.
func edit(off int, value uint64) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(off/8))
	return binary.LittleEndian.AppendUint64(b, value)
}

// images returns the files of healthy segments: with messages, closed, and events.
func images(t testing.TB, dir string) [][]byte {
	t.Helper()
	ctx := t.Context()
	var out [][]byte
	read := func(path string) {
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		out = append(out, file)
	}
	for i, o := range []channel.Options{
		{Slots: 4, SlotSize: 32, ArenaBytes: channel.NoArena, MaxParticipants: 4},
		{Slots: 4, ArenaBytes: 4096, MaxParticipants: 4, Checksums: true, Timestamps: true},
		{Kind: channel.SPSC, Slots: 8, SlotSize: 16, ArenaBytes: 4096, MaxParticipants: 5},
	} {
		o.Dir = dir
		ch, err := channel.Create(ctx, "image", o)
		require.NoError(t, err)
		tx, rx := pair(t, ch)
		require.NoError(t, tx.Send(ctx, []byte("a message")))
		if ch.MaxMessage() > 64 {
			require.NoError(t, tx.Send(ctx, make([]byte, 500)))
		}
		read(ch.Path()) // as a killed process leaves it: with claims
		require.NoError(t, tx.Close())
		if i == 0 {
			require.NoError(t, ch.Seal("the end"))
			read(ch.Path())
		}
		for range 2 {
			if m, err := rx.TryRecv(); err == nil {
				m.Release()
			}
		}
		require.NoError(t, ch.Close())
	}
	e, err := channel.CreateEvent(ctx, "image", channel.EventOptions{
		MaxParticipants: 4, OpenOptions: channel.OpenOptions{Dir: dir},
	})
	require.NoError(t, err)
	_, err = e.Signal([]byte("a value"))
	require.NoError(t, err)
	read(e.Path())
	require.NoError(t, e.Close())
	return out
}

// fuzzDir is a directory of segments for all inputs of a fuzz target.
func fuzzDir(f *testing.F) string {
	f.Helper()
	dir, err := os.MkdirTemp(shm.DefaultDir, "shmring-test-fuzz-*")
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, os.RemoveAll(dir)) })
	return dir
}

// FuzzAttachBytes puts any bytes into the file of a segment and opens it by every call that
// opens one. What can be opened is asked everything and used. All calls return a typed
// error or a value, in bounded steps and memory.
func FuzzAttachBytes(f *testing.F) {
	dir := fuzzDir(f)
	whole := images(f, dir)
	for kind := range whole {
		f.Add(byte(kind), uint32(0), []byte{}, true)
		f.Add(byte(kind), uint32(len(whole[kind])-1), []byte{}, true)
		f.Add(byte(kind), uint32(len(whole[kind])+4096), []byte{}, false)
		f.Add(byte(kind), uint32(layout.PageSize), []byte{}, false)
		f.Add(byte(kind), uint32(0), edit(layout.ControlOff, 0), true)
		f.Add(byte(kind), uint32(0), edit(layout.ControlOff+layout.Line, ^uint64(0)), true)
		f.Add(byte(kind), uint32(0), edit(layout.ControlOff+7*layout.Line, 3), true)
	}
	for _, table := range layout.Tables() {
		if table.Name != "Header" {
			continue
		}
		for _, field := range table.Fields {
			for _, value := range []uint64{0, 1 << 31, ^uint64(0)} {
				f.Add(byte(0), uint32(0), edit(int(field.Offset), value), true)
			}
		}
	}
	f.Add(byte(255), uint32(0), []byte("shmring\n"), false)
	var files atomic.Uint64
	f.Fuzz(func(t *testing.T, kind byte, size uint32, edits []byte, seal bool) {
		if len(edits) > 1<<16 {
			return
		}
		file := patchwork(whole, kind, size, edits, seal)
		shmtest.Bounded(t, inputTime, 32<<20, func() {
			a := attacher{t: t, dir: dir, file: file}
			a.name = "f" + strconv.FormatUint(files.Add(1), 10)
			for _, open := range []func(context.Context, channel.OpenOptions) error{
				a.observe, a.attach, a.attachFile, a.attachEvent, a.replace, a.remove,
			} {
				a.with(open)
			}
		})
	})
}

// An attacher opens one file again and again.
type attacher struct {
	t    *testing.T
	dir  string
	name string
	file []byte
}

// with writes the file anew, opens it, and removes what is left of it.
func (a *attacher) with(open func(context.Context, channel.OpenOptions) error) {
	a.t.Helper()
	path := filepath.Join(a.dir, "shmring."+a.name)
	require.NoError(a.t, os.WriteFile(path, a.file, 0o600))
	ctx, cancel := context.WithTimeout(a.t.Context(), 3*time.Millisecond)
	defer cancel()
	err := open(ctx, channel.OpenOptions{Dir: a.dir})
	require.NoError(a.t, typedOrOpen(err))
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		require.NoError(a.t, err)
	}
}

// typedOrOpen is typed for calls that may find no file they could use.
func typedOrOpen(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrInvalid) {
		return nil
	}
	return typed(err)
}

// observe attaches read-only, and lists.
func (a *attacher) observe(ctx context.Context, o channel.OpenOptions) error {
	entries, err := channel.List(a.dir)
	for _, e := range entries {
		_ = fmt.Sprint(e.Err, e.Header, e.Geometry)
	}
	require.NoError(a.t, err)
	o.ReadOnly = true
	ch, err := channel.Open(ctx, a.name, o)
	if err != nil {
		return err
	}
	ask(ch)
	return ch.Close()
}

// ask asks everything that may be asked.
func ask(ch *channel.Channel) {
	_ = fmt.Sprint(ch.Stats(), ch.Participants(), ch.History(), ch.Reason(), ch.State(),
		ch.Options(), ch.Instance(), ch.MaxMessage())
}

// attach attaches and uses the channel.
func (a *attacher) attach(ctx context.Context, o channel.OpenOptions) error {
	ch, err := channel.Open(ctx, a.name, o)
	if err != nil {
		return err
	}
	return a.use(ctx, ch)
}

// use makes the calls of all roles.
func (a *attacher) use(ctx context.Context, ch *channel.Channel) error {
	ask(ch)
	check := func(err error) { require.NoError(a.t, typed(err)) }
	if tx, err := ch.TrySender(); err == nil {
		check(tx.TrySend([]byte("more")))
		check(tx.TrySend(make([]byte, 200)))
		check(tx.Close())
	} else {
		check(err)
	}
	_, err := ch.Recover(ctx)
	check(err)
	if rx, err := ch.TryReceiver(); err == nil {
		for range 8 {
			m, err := rx.TryRecv()
			check(err)
			if err != nil {
				break
			}
			_, err = io.Discard.Write(m.Bytes())
			check(err)
			m.Release()
		}
		check(rx.Close())
	} else {
		check(err)
	}
	for c, err := range ch.Watch(ctx) {
		check(err)
		_ = fmt.Sprint(c)
		if c.Kind == channel.StateChanged {
			break
		}
	}
	_, err = ch.Shutdown(ctx, channel.ShutdownOptions{AtDeadline: channel.Force})
	check(err)
	return ch.Close()
}

// attachFile attaches by a file that was handed over.
func (a *attacher) attachFile(_ context.Context, o channel.OpenOptions) error {
	file, err := os.OpenFile(filepath.Join(a.dir, "shmring."+a.name), os.O_RDWR, 0)
	require.NoError(a.t, err)
	ch, err := channel.OpenFile(file, o)
	if err != nil {
		return err
	}
	ask(ch)
	return ch.Close()
}

// attachEvent attaches to an event.
func (a *attacher) attachEvent(ctx context.Context, o channel.OpenOptions) error {
	e, err := channel.OpenEvent(ctx, a.name, o)
	if err != nil {
		return err
	}
	seq, _, err := e.Load()
	require.NoError(a.t, typed(err))
	_, err = e.Signal([]byte("next"))
	require.NoError(a.t, typed(err))
	_, _, err = e.Wait(ctx, seq)
	require.NoError(a.t, typed(err))
	_ = fmt.Sprint(e.Participants())
	return e.Close()
}

// replace opens or creates: what cannot be used is replaced.
func (a *attacher) replace(ctx context.Context, o channel.OpenOptions) error {
	ch, err := channel.OpenOrCreate(ctx, a.name, channel.Options{
		Slots: 4, SlotSize: 32, ArenaBytes: channel.NoArena, MaxParticipants: 4, OpenOptions: o,
	})
	if err != nil {
		return err
	}
	return ch.Close()
}

func (a *attacher) remove(ctx context.Context, o channel.OpenOptions) error {
	return channel.Remove(ctx, a.name, channel.RemoveOptions{Dir: o.Dir})
}
