package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"shmring/channel"
)

// demoSenderName is the hidden command that a sender process of the demo runs.
const demoSenderName = "demo-sender"

func newDemoSenderCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: demoSenderName + " CHANNEL NUMBER ROOT", Hidden: true, Args: cobra.ExactArgs(3),
		Short: "Send the files named on standard input (used by demo)",
		RunE: func(cmd *cobra.Command, args []string) error {
			number, err := strconv.Atoi(args[1])
			if err != nil {
				return usagef("sender number: %w", err)
			}
			return a.sendFiles(cmd.Context(), args[0], number, args[2])
		},
	}
}

// sendFiles sends every file of a list of paths below root, each ended by a zero byte.
func (a *app) sendFiles(ctx context.Context, name string, number int, root string) error {
	ch, err := channel.Open(ctx, name, channel.OpenOptions{Dir: a.segmentDir()})
	if err != nil {
		return err
	}
	err = sendList(ctx, ch, number, root, a.stdin)
	if cerr := ch.Close(); err == nil {
		err = cerr
	}
	return err
}

func sendList(
	ctx context.Context, ch *channel.Channel, number int, root string, list io.Reader,
) error {
	tx, err := ch.Sender(ctx)
	if err != nil {
		return err
	}
	paths := bufio.NewScanner(list)
	paths.Buffer(nil, 1<<20)
	paths.Split(splitZero)
	for paths.Scan() {
		if err := sendFile(ctx, tx, number, root, paths.Text()); err != nil {
			return err
		}
	}
	return paths.Err()
}

// sendFile reads a file straight into the ring: nothing is copied after the read.
func sendFile(ctx context.Context, tx *channel.Sender, number int, root, path string) error {
	f, err := os.Open(filepath.Join(root, path))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := demoSize(path, info.Size())
	if size > int64(tx.Channel().MaxMessage()) {
		return fmt.Errorf("%s: %w: it grew to %d bytes", path, channel.ErrTooBig, info.Size())
	}
	return tx.SendFunc(ctx, int(size), func(msg []byte) (int, error) {
		n, err := io.ReadFull(f, demoContent(msg, path))
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			return 0, err
		}
		msg = msg[:demoSize(path, int64(n))]
		putDemo(msg, number, path)
		return len(msg), nil
	})
}

// splitZero cuts a list of strings that each end with a zero byte.
func splitZero(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// demoTree lists the regular files below root, with the size of the largest.
func demoTree(root string) (paths []string, largest int64, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		paths = append(paths, rel)
		largest = max(largest, demoSize(rel, info.Size()))
		return nil
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("no regular file below %s", root)
	}
	return paths, largest, err
}
