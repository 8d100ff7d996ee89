//go:build linux

package shm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"shmring/internal/fault"
)

// watchMask is what a segment's file is watched for: whoever dies or leaves closes a
// description that could write; whoever unlinks changes the attributes; whoever truncates
// or punches modifies it, which stores to the mapping do not.
const watchMask = unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_MODIFY

// notifier owns the process's one inotify descriptor. It exists while something is
// watched. Its reader has a thread of its own: the runtime's poller is looked at only each
// 10 ms if the thread that did so last sleeps in a system call, as a waiter of a channel does.
type notifier struct {
	mu      sync.Mutex
	file    *os.File // nil while nothing is watched
	fd      int      // of file; its Fd method may make it block
	quit    *os.File // an eventfd: written to end the reader
	done    chan struct{}
	watches map[int32]*watch
}

var hub notifier

// add subscribes to the file at path, and returns the descriptor that is heard. The kernel
// gives the same number for the same file, so attachments are told apart here.
func (h *notifier) add(path string, sub *subscription) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		if err := h.open(); err != nil {
			return 0, err
		}
	}
	wd, err := h.watch(path)
	if err != nil {
		h.closeIfIdle() // its reader has nothing to do and ends soon
		return 0, err
	}
	w := h.watches[wd]
	if w == nil {
		w = &watch{wd: wd}
		h.watches[wd] = w
	}
	w.mu.Lock()
	w.subs = append(w.subs, sub)
	w.mu.Unlock()
	sub.watch = w
	return h.fd, nil
}

func (h *notifier) watch(path string) (int32, error) {
	if err := fault.Err("shm.notify.add"); err != nil {
		return 0, err
	}
	wd, err := unix.InotifyAddWatch(h.fd, path, watchMask)
	if err != nil {
		return 0, fmt.Errorf("add an inotify watch (fs.inotify.max_user_watches?): %w", err)
	}
	return int32(wd), nil
}

func (h *notifier) open() error {
	f, fd, err := newInotify()
	if err != nil {
		return err
	}
	quit, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = f.Close() // nothing was heard by it
		return fmt.Errorf("open an eventfd: %w", err)
	}
	h.file, h.fd, h.done = f, fd, make(chan struct{})
	h.quit = os.NewFile(uintptr(quit), "eventfd")
	h.watches = make(map[int32]*watch)
	go h.read(reader{f, fd, h.quit, quit}, h.done)
	return nil
}

// A reader is what read needs to know of a notifier's descriptors.
type reader struct {
	file   *os.File
	fd     int
	quit   *os.File
	quitFD int
}

func newInotify() (f *os.File, fd int, err error) {
	if err := fault.Err("shm.notify.init"); err != nil {
		return nil, 0, err
	}
	fd, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, 0, fmt.Errorf("open inotify (fs.inotify.max_user_instances?): %w", err)
	}
	f = os.NewFile(uintptr(fd), "inotify")
	if err := f.SetReadDeadline(time.Time{}); err != nil { // not in the runtime poller: deaf
		_ = f.Close()
		return nil, 0, fmt.Errorf("wait for inotify (fs.epoll.max_user_watches?): %w", err)
	}
	return f, fd, nil
}

// remove ends a subscription, and with the last one the descriptor and its reader.
func (h *notifier) remove(sub *subscription) {
	h.mu.Lock()
	if w := sub.watch; w.drop(sub) {
		delete(h.watches, w.wd)
		// It fails if the kernel dropped the watch by itself: gone is gone.
		_, _ = unix.InotifyRmWatch(h.fd, uint32(w.wd))
	}
	done := h.closeIfIdle()
	h.mu.Unlock()
	if done != nil {
		<-done
	}
}

// closeIfIdle returns what to wait for if it ended the reader. A number that is used anew
// while the reader still polls it is not read from: the eventfd is ready by then.
func (h *notifier) closeIfIdle() <-chan struct{} {
	if h.file == nil || len(h.watches) > 0 {
		return nil
	}
	done := h.done
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = h.quit.Write(one) // ends a poll; its count is zero, so there is room
	_ = h.file.Close()       // ends a read, where the kernel refuses to poll
	h.file, h.quit, h.done = nil, nil, nil
	return done
}

// read hands out events until it is told to end.
func (h *notifier) read(r reader, done chan<- struct{}) {
	defer close(done)
	defer func() { _ = r.quit.Close() }() // it holds nothing to write back
	buf := make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for r.await() {
		n, err := r.file.Read(buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return // closed
		}
		for ev := range inotifyEvents(buf[:n]) {
			h.event(r.file, ev)
		}
	}
}

// await waits for something to read; false: the end. A kernel that refuses leaves the wait
// to the read, which is in the runtime's poller, and to the looks that each sleeper takes.
func (r *reader) await() bool {
	fds := []unix.PollFd{
		{Fd: int32(r.fd), Events: unix.POLLIN},
		{Fd: int32(r.quitFD), Events: unix.POLLIN},
	}
	for {
		if err := fault.Err("shm.notify.poll"); err != nil {
			return true
		}
		_, err := unix.Poll(fds, -1)
		if !errors.Is(err, unix.EINTR) {
			return err != nil || fds[1].Revents == 0
		}
	}
}

func (h *notifier) event(f *os.File, ev inotifyEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file != f {
		return // of a descriptor that is closed meanwhile
	}
	if ev.mask&unix.IN_Q_OVERFLOW != 0 { // whatever was lost, everybody looks
		for _, w := range slices.Collect(maps.Values(h.watches)) {
			h.renew(w) // a lost IN_IGNORED would leave it deaf; else the number stays
			w.event(NoticeIgnored)
		}
		return
	}
	w := h.watches[ev.wd]
	switch {
	case w == nil: // removed meanwhile
	case ev.mask&unix.IN_IGNORED != 0:
		h.renew(w)
		w.event(NoticeIgnored)
	case ev.mask&unix.IN_CLOSE_WRITE != 0:
		w.event(NoticeClosed)
	case ev.mask&(unix.IN_ATTRIB|unix.IN_MODIFY) != 0:
		w.event(NoticeAttrib)
	}
}

// renewRetry is how often a watch that could not be set anew is tried again.
const renewRetry = 100 * time.Millisecond

// renew sets a watch that the kernel dropped, through any attachment that still has
// the file open. If none can, it stays under its old number, which the kernel does not
// use again, and is tried again: its subscribers look each time, as if they were told.
func (h *notifier) renew(w *watch) {
	for _, sub := range w.snapshot() {
		wd := -1
		err := sub.seg.tryFile(func(fd int) error {
			var err error
			wd, err = unix.InotifyAddWatch(h.fd, fdPath(fd), watchMask)
			return err
		})
		if err == nil {
			h.renumber(w, int32(wd))
			return
		}
	}
	time.AfterFunc(renewRetry, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.file != nil && h.watches[w.wd] == w {
			h.renew(w)
			w.event(NoticeIgnored)
		}
	})
}

// renumber gives a watch the kernel's new number, or its subscriptions to the watch
// that somebody set under it meanwhile.
func (h *notifier) renumber(w *watch, wd int32) {
	delete(h.watches, w.wd)
	heir := h.watches[wd]
	if heir == nil {
		w.wd = wd
		h.watches[wd] = w
		return
	}
	subs := w.takeAll()
	for _, sub := range subs {
		sub.watch = heir
	}
	heir.mu.Lock()
	heir.subs = append(heir.subs, subs...)
	heir.mu.Unlock()
	heir.event(NoticeIgnored)
}

// An inotifyEvent is one event as the kernel tells it.
type inotifyEvent struct {
	wd   int32
	mask uint32
	name string
}

// inotifyEvents cuts what was read from an inotify descriptor into events.
func inotifyEvents(buf []byte) func(yield func(inotifyEvent) bool) {
	return func(yield func(inotifyEvent) bool) {
		for len(buf) >= unix.SizeofInotifyEvent {
			ev := inotifyEvent{
				wd:   int32(binary.NativeEndian.Uint32(buf[0:])),
				mask: binary.NativeEndian.Uint32(buf[4:]),
			}
			size := int(binary.NativeEndian.Uint32(buf[12:]))
			rest := buf[unix.SizeofInotifyEvent:]
			if size > len(rest) {
				return
			}
			name := rest[:size]
			for len(name) > 0 && name[len(name)-1] == 0 {
				name = name[:len(name)-1]
			}
			ev.name, buf = string(name), rest[size:]
			if !yield(ev) {
				return
			}
		}
	}
}
