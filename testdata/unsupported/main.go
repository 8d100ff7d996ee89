// Unsupported checks what a program gets on a system where shmring cannot work: everything
// that would make, use or find a segment says so.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"shmring/channel"
	"shmring/internal/layout"
	"shmring/shm"
)

func main() {
	ctx := context.Background()
	if layout.Supported() == nil {
		fmt.Fprintln(os.Stderr, "shmring works here: build this program for another system")
		os.Exit(2)
	}
	err := errors.Join(channels(ctx), events(ctx), segments(ctx))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, err = channel.Create(ctx, "q", channel.Options{})
	fmt.Println(err)
}

func channels(ctx context.Context) error {
	_, create := channel.Create(ctx, "q", channel.Options{})
	_, nameless := channel.Create(ctx, "", channel.Options{Nameless: true})
	_, open := channel.Open(ctx, "q", channel.OpenOptions{})
	_, wait := channel.Open(ctx, "q", channel.OpenOptions{Wait: true})
	_, observe := channel.Open(ctx, "q", channel.OpenOptions{ReadOnly: true})
	_, either := channel.OpenOrCreate(ctx, "q", channel.Options{})
	_, list := channel.List("")
	return errors.Join(
		unsupported("Create", create), unsupported("Create without a name", nameless),
		unsupported("Open", open), unsupported("Open and wait", wait),
		unsupported("Open to observe", observe), unsupported("OpenOrCreate", either),
		unsupported("List", list),
		unsupported("Remove", channel.Remove(ctx, "q", channel.RemoveOptions{})),
		handed("OpenFile", func(f *os.File) error {
			_, err := channel.OpenFile(f, channel.OpenOptions{})
			return err
		}),
	)
}

func events(ctx context.Context) error {
	_, create := channel.CreateEvent(ctx, "e", channel.EventOptions{})
	_, open := channel.OpenEvent(ctx, "e", channel.OpenOptions{})
	_, wait := channel.OpenEvent(ctx, "e", channel.OpenOptions{Wait: true})
	_, either := channel.OpenOrCreateEvent(ctx, "e", channel.EventOptions{})
	return errors.Join(
		unsupported("CreateEvent", create), unsupported("OpenEvent", open),
		unsupported("OpenEvent and wait", wait), unsupported("OpenOrCreateEvent", either),
	)
}

func segments(ctx context.Context) error {
	_, create := shm.Create(ctx, shm.CreateOptions{Name: "q", Params: layout.EventParams(4, 0)})
	_, open := shm.Open(ctx, shm.OpenOptions{Name: "q"})
	_, _, controlled := shm.OpenControlled(ctx, shm.OpenOptions{Name: "q"}, "look")
	_, list := shm.List("")
	return errors.Join(
		unsupported("shm.Create", create), unsupported("shm.Open", open),
		unsupported("shm.OpenControlled", controlled), unsupported("shm.List", list),
		unsupported("shm.AwaitName", shm.AwaitName(ctx, "", "q")),
		unsupported("shm.Remove", shm.Remove(ctx, "", "q", shm.RemoveOptions{})),
		unsupported("shm.RemoveForeign", shm.RemoveForeign(ctx, "", "q")),
		handed("shm.OpenFile", func(f *os.File) error {
			_, err := shm.OpenFile(f, shm.OpenOptions{})
			return err
		}),
	)
}

// handed gives a file to open, which must be closed whatever becomes of it.
func handed(name string, open func(*os.File) error) error {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	err = unsupported(name, open(f))
	if !errors.Is(f.Close(), os.ErrClosed) {
		err = errors.Join(err, fmt.Errorf("%s left its file open", name))
	}
	return err
}

// unsupported returns nil if err is what it should be.
func unsupported(name string, err error) error {
	if errors.Is(err, errors.ErrUnsupported) && strings.Contains(err.Error(), "needs Linux") {
		return nil
	}
	return fmt.Errorf("%s returned: %v", name, err)
}
