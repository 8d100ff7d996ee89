package bench

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// fds are the four ends of two directions.
type fds struct{ in, out, peerIn, peerOut int }

func pipes() (fds, error) {
	var there, back [2]int
	if err := errors.Join(
		unix.Pipe2(there[:], unix.O_CLOEXEC), unix.Pipe2(back[:], unix.O_CLOEXEC),
	); err != nil {
		return fds{}, err
	}
	return fds{in: back[0], out: there[1], peerIn: there[0], peerOut: back[1]}, nil
}

func sockets() (fds, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fds{}, err
	}
	return doubled(pair)
}

// tcp is a connection over the loopback, without delay, as that of an HTTP client.
func tcp() (fds, error) {
	const kind = unix.SOCK_STREAM | unix.SOCK_CLOEXEC
	l, err := unix.Socket(unix.AF_INET, kind, 0)
	if err != nil {
		return fds{}, err
	}
	defer unix.Close(l) //nolint:errcheck // it was only listened on
	at := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(unix.Bind(l, at), unix.Listen(l, 1)); err != nil {
		return fds{}, err
	}
	name, err := unix.Getsockname(l)
	if err != nil {
		return fds{}, err
	}
	var pair [2]int
	if pair[0], err = unix.Socket(unix.AF_INET, kind, 0); err != nil {
		return fds{}, err
	}
	if err := unix.Connect(pair[0], name); err != nil {
		return fds{}, err
	}
	if pair[1], _, err = unix.Accept4(l, unix.SOCK_CLOEXEC); err != nil {
		return fds{}, err
	}
	for _, fd := range pair {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return fds{}, err
		}
	}
	return doubled(pair)
}

// doubled makes four ends of two that go both ways.
func doubled(pair [2]int) (fds, error) {
	// Four descriptors, so that each is closed once, whatever it is.
	in, err := unix.FcntlInt(uintptr(pair[0]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fds{}, err
	}
	peerIn, err := unix.FcntlInt(uintptr(pair[1]), unix.F_DUPFD_CLOEXEC, 0)
	return fds{in: in, out: pair[0], peerIn: peerIn, peerOut: pair[1]}, err
}

// bareFD makes round trips through the kernel, by blocking reads and writes.
func bareFD(open func() (fds, error)) func(*run) {
	return func(r *run) {
		r.begin()
		f, err := open()
		r.check(err)
		peerIn := os.NewFile(uintptr(f.peerIn), "in")
		peerOut := os.NewFile(uintptr(f.peerOut), "out")
		r.Cleanup(func() { r.check(errors.Join(unix.Close(f.in), unix.Close(f.out))) })
		r.peer(job{Kind: "bare-fd"}, peerIn, peerOut)
		r.check(errors.Join(peerIn.Close(), peerOut.Close()))
		buf := make([]byte, smallSize)
		calls := uint64(0)
		trip := func(n uint64) error {
			fill32(buf, n)
			calls += 2
			if _, err := unix.Write(f.out, buf); err != nil {
				return err
			}
			if err := readFull(f.in, buf); err != nil {
				return err
			}
			if !check32(buf, n) {
				return wrong(buf, n)
			}
			return nil
		}
		r.exchange(r.warmTrips(), each(trip), func() uint64 { return calls }, newTripTimes(r, trip))
		r.end()
	}
}

// bareFDPeer sends back what it reads.
func bareFDPeer(p *peer) error {
	buf := make([]byte, smallSize)
	calls := uint64(0)
	return p.serve(each(func(n uint64) error {
		calls += 2
		if err := readFull(firstFD, buf); err != nil {
			return err
		}
		if !check32(buf, n) {
			return wrong(buf, n)
		}
		_, err := unix.Write(firstFD+1, buf)
		return err
	}), func() uint64 { return calls })
}

func readFull(fd int, b []byte) error {
	n, err := unix.Read(fd, b)
	if err == nil && n == 0 {
		return io.EOF
	}
	if err == nil && n != len(b) {
		return fmt.Errorf("%d of %d bytes at once", n, len(b))
	}
	return err
}

// readAhead is how much a stream is read at once, as by a buffered reader.
const readAhead = 64 * kib

// bareStream receives through the kernel what a peer writes message by message.
func bareStream(open func() (fds, error)) func(*run) {
	return func(r *run) {
		r.begin()
		f, err := open()
		r.check(err)
		peerIn := os.NewFile(uintptr(f.peerIn), "in")
		peerOut := os.NewFile(uintptr(f.peerOut), "out")
		r.Cleanup(func() { r.check(errors.Join(unix.Close(f.in), unix.Close(f.out))) })
		r.peer(job{Kind: "bare-source"}, peerIn, peerOut)
		r.check(errors.Join(peerIn.Close(), peerOut.Close()))
		in := &bareReader{fd: f.in, buf: make([]byte, readAhead)}
		r.exchange(1000, each(func(n uint64) error {
			b, err := in.next()
			if err == nil && !check32(b, n) {
				err = wrong(b, n)
			}
			return err
		}), func() uint64 { return in.calls }, nil)
		r.end()
	}
}

// A bareReader cuts a stream of bytes into messages.
type bareReader struct {
	fd       int
	buf      []byte
	from, to int // what was read and not taken
	calls    uint64
}

// next returns the next message, which is valid until the next call.
func (r *bareReader) next() ([]byte, error) {
	for r.to-r.from < smallSize {
		r.from, r.to = 0, copy(r.buf, r.buf[r.from:r.to])
		n, err := unix.Read(r.fd, r.buf[r.to:])
		r.calls++
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			return nil, err
		}
		r.to += n
	}
	b := r.buf[r.from : r.from+smallSize]
	r.from += smallSize
	return b, nil
}

// bareSourcePeer writes message by message.
func bareSourcePeer(p *peer) error {
	buf := make([]byte, smallSize)
	calls := uint64(0)
	return p.serve(each(func(n uint64) error {
		fill32(buf, n)
		calls++
		k, err := unix.Write(firstFD+1, buf)
		if err == nil && k != len(buf) {
			err = fmt.Errorf("%d of %d bytes at once", k, len(buf))
		}
		return err
	}), func() uint64 { return calls })
}
