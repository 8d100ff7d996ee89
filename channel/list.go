package channel

import (
	"context"
	"fmt"

	"shmring/internal/layout"
	"shmring/ring"
	"shmring/shm"
)

// An Entry is one segment found by List.
type Entry = shm.Entry

// List returns the segments in dir (empty: $SHMRING_DIR, else /dev/shm), by name. It
// attaches to none of them and disturbs nobody. A file that is no segment of this
// layout is listed with Entry.Err saying why.
func List(dir string) ([]Entry, error) {
	entries, err := shm.List(dir)
	return entries, openError("list", dir, err)
}

// RemoveOptions say what Remove may destroy.
type RemoveOptions struct {
	Dir    string // directory; empty: $SHMRING_DIR, else /dev/shm
	Unread bool   // also a channel with unread messages
}

// Remove deletes a channel that nobody is attached to. It fails with ErrBusy while
// anybody is, and also, unless RemoveOptions.Unread, if messages are unread.
func Remove(ctx context.Context, name string, o RemoveOptions) error {
	err := shm.Remove(ctx, o.Dir, name, shm.RemoveOptions{Force: o.Unread, Unread: unread})
	return openError("remove", name, err)
}

// unread counts the messages of a segment that is no channel of ours as none.
func unread(v *layout.View) (uint64, error) {
	if v.Kind != layout.KindChannel {
		return 0, nil
	}
	n, err := ring.New(v).Unread()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return n, nil
}
