//go:build linux && fault

package channel_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmring/channel"
	"shmring/internal/fault"
	"shmring/internal/shmtest"
)

// attachments are what somebody who comes may do while the file changes under it.
var attachments = map[string]func(context.Context) error{
	"open": func(ctx context.Context) error {
		return comeAndGo(ctx, func() (*channel.Channel, error) {
			return channel.Open(ctx, "q", channel.OpenOptions{})
		})
	},
	"open or create": func(ctx context.Context) error {
		return comeAndGo(ctx, func() (*channel.Channel, error) {
			return channel.OpenOrCreate(ctx, "q", damageOptions)
		})
	},
	"observe": func(ctx context.Context) error {
		ch, err := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		ch.Stats()
		return ch.Close()
	},
	"remove": func(ctx context.Context) error {
		return channel.Remove(ctx, "q", channel.RemoveOptions{})
	},
}

// comeAndGo attaches, takes both roles, repairs, and leaves.
func comeAndGo(ctx context.Context, open func() (*channel.Channel, error)) error {
	ch, err := open()
	if err != nil {
		return err
	}
	_, terr := ch.TrySender()
	_, rerr := ch.TryReceiver()
	merr := mend(ctx, ch)
	for _, err := range []error{terr, rerr, merr} {
		if err != nil && !tellable(err) {
			return err
		}
	}
	return ch.Close()
}

// spoilings are what somebody else does to the file meanwhile.
func spoilings() map[string]func(path string) error {
	all := map[string]func(path string) error{
		"unlink": os.Remove,
		"rename over": func(path string) error {
			err := os.WriteFile(path+"x", []byte("other"), 0o600)
			return errors.Join(err, os.Rename(path+"x", path))
		},
	}
	for name, damage := range damages {
		for page := range int64(2) { // the header, and the control words
			all[fmt.Sprintf("%s page %d", name, page)] = func(path string) error {
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					return err
				}
				info, err := f.Stat()
				return errors.Join(err, damage(f, info.Size(), page), f.Close())
			}
		}
	}
	return all
}

// spoiledAt makes a channel, and spoils it at the n-th point that somebody passes who comes.
// It reports whether there is such a point.
func spoiledAt(t *testing.T, come func(context.Context) error, spoil func(string) error, n int64,
) (passed bool, err error) {
	t.Helper()
	ch, err := channel.Create(t.Context(), "q", damageOptions)
	require.NoError(t, err)
	path := ch.Path()
	tx, err := ch.TrySender()
	require.NoError(t, err)
	require.NoError(t, tx.Send(t.Context(), []byte("left")))
	require.NoError(t, ch.Close())
	var hits atomic.Int64
	var serr error
	fault.SetHook(func(string) {
		if hits.Add(1) == n {
			serr = spoil(path)
		}
	})
	err = come(t.Context())
	fault.SetHook(nil)
	passed = hits.Load() >= n
	if serr != nil && !os.IsNotExist(serr) { // it may just have been removed
		t.Fatal(serr)
	}
	if rerr := os.Remove(path); rerr != nil && !os.IsNotExist(rerr) {
		t.Fatal(rerr)
	}
	return passed, err
}

// TestWhoAttachesWhileTheFileIsSpoiledIsTold cuts, punches, unlinks and replaces a file at
// the points that somebody passes who opens, repairs, closes or removes it: the calls end,
// with an error that a program can tell, and nothing is mapped or held afterwards.
func TestWhoAttachesWhileTheFileIsSpoiledIsTold(t *testing.T) {
	shmtest.Dir(t)
	shmtest.Watchdog(t, limit)
	rng, _ := shmtest.Rand(t)
	held := openFiles(t)
	for what, come := range attachments {
		for how, spoil := range spoilings() {
			first, step := 1, 1
			if what != "open" || how != "truncate page 1" { // all points of each take long
				step = 6
				first += rng.IntN(step)
			}
			t.Run(what+", "+how, func(t *testing.T) {
				bearable(t, how)
				for at := int64(first); ; at += int64(step) {
					passed, err := spoiledAt(t, come, spoil, at)
					if err != nil {
						require.True(t, tellable(err), "point %d: %v", at, err)
					}
					if !passed {
						break
					}
				}
			})
		}
	}
	awaitEqual(t, held, func() int { return openFiles(t) }, "descriptors and mappings")
}
