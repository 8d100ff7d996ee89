package channel

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"

	"shmring/internal/fault"
	"shmring/internal/layout"
)

// MaxDependencies is how many other channels a channel can depend on.
const MaxDependencies = layout.DependencyCount

// A Dependency names a channel that another one depends on.
type Dependency struct {
	Name     string
	Instance [16]byte // of the segment: a recreated channel is another one
}

// DependOn records in the segment that ch depends on other, for every process to see:
// what is received from ch leads to messages in other, so that a shutdown of both has to
// drain ch before other is sealed. It is for those who order a shutdown, such as package
// manager; the channel itself does not look at it, and cycles are the caller's to find. It
// may be repeated; one of the same name is replaced. It fails with ErrFull after
// MaxDependencies.
func (ch *Channel) DependOn(ctx context.Context, other *Channel) error {
	d := Dependency{Name: other.Name(), Instance: other.Instance()}
	if d.Name == "" {
		return ch.fail("depend", fmt.Errorf("%w: a nameless channel cannot be depended on",
			fs.ErrInvalid))
	}
	if d.Instance == ch.Instance() {
		return ch.fail("depend", fmt.Errorf("%w: a channel cannot depend on itself",
			fs.ErrInvalid))
	}
	return ch.withLock(ctx, "depend", func() error { return ch.dependLocked(d) })
}

// Independ takes back DependOn; a name that is not recorded is no error.
func (ch *Channel) Independ(ctx context.Context, name string) error {
	return ch.withLock(ctx, "depend", func() error {
		for i := range ch.ctl.Depends {
			row := &ch.ctl.Depends[i]
			if d, ok := loadDependency(row); ok && d.Name == name {
				row.State.Store(0) // sync: dependency
				fault.Point("channel.independ.free")
				ch.state.WakeAll()
			}
		}
		return nil
	})
}

// Dependencies lists what ch depends on.
func (ch *Channel) Dependencies() []Dependency {
	if ch.enter() != nil {
		return nil
	}
	defer ch.leave()
	var all []Dependency
	ch.try(func() {
		for i := range ch.ctl.Depends {
			if d, ok := loadDependency(&ch.ctl.Depends[i]); ok {
				all = append(all, d)
			}
		}
	})
	return all
}

// dependLocked writes a row. The caller holds the control lock. A row is marked free while
// it is written: whoever dies here leaves a free row, and readers see whole ones only.
func (ch *Channel) dependLocked(d Dependency) error {
	free := -1
	for i := range ch.ctl.Depends {
		have, ok := loadDependency(&ch.ctl.Depends[i])
		switch {
		case ok && have == d:
			return nil
		case ok && have.Name == d.Name:
			free = i // of a former channel of that name
		case !ok && free < 0:
			free = i
		}
	}
	if free < 0 {
		return fmt.Errorf("%w: it depends on %d channels already", ErrFull, MaxDependencies)
	}
	row := &ch.ctl.Depends[free]
	row.State.Store(0) // sync: dependency
	fault.Point("channel.depend.free")
	row.Instance[0].Store(binary.LittleEndian.Uint64(d.Instance[:8]))
	row.Instance[1].Store(binary.LittleEndian.Uint64(d.Instance[8:]))
	layout.StoreText(row.Name[:], d.Name)
	fault.Point("channel.depend.written")
	row.State.Store(1) // sync: dependency
	fault.Point("channel.depend.valid")
	ch.state.WakeAll()
	return nil
}

// loadDependency reads a row, if it is whole.
func loadDependency(row *layout.Dependency) (Dependency, bool) {
	return readTwice(func() (Dependency, bool) { return readDependency(row) })
}

// maxReads bounds how often a row is read that somebody writes all the time.
const maxReads = 16

// readTwice reads a row until two readings are the same: one that was free and valid again
// while it was read may be of two contents.
func readTwice[T comparable](read func() (T, bool)) (row T, ok bool) {
	before, ok := read()
	for i := 1; ok && i < maxReads; i++ {
		if row, ok = read(); ok && row == before {
			return row, true
		}
		before = row
	}
	var none T
	return none, false
}

func readDependency(row *layout.Dependency) (Dependency, bool) {
	if row.State.Load() != 1 { // sync: dependency
		return Dependency{}, false
	}
	d := Dependency{Name: layout.LoadText(row.Name[:])}
	binary.LittleEndian.PutUint64(d.Instance[:8], row.Instance[0].Load())
	binary.LittleEndian.PutUint64(d.Instance[8:], row.Instance[1].Load())
	return d, row.State.Load() == 1 && d.Name != "" // sync: dependency
}
