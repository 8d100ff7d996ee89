package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"shmring/channel"
)

// A Server is the server's side of one instance: of one runner, from its start to its end.
// Its methods may be called by several goroutines. After the end they return errors.
type Server struct {
	opts     Options
	set      *segments
	id       ID
	requests *port
	control  *port
	tokens   *channel.Receiver
	began    time.Time

	joined   chan struct{}   // closed when the runner has attached
	life     context.Context // ends when the runner has ended
	endLife  context.CancelFunc
	draining atomic.Bool

	stopWatch func()
	sent      atomic.Uint64
	received  atomic.Uint64

	mu  sync.Mutex
	cmd *exec.Cmd
	end *EndedError
	pid int
}

// newServer creates the segments of an instance and takes the server's roles.
func newServer(ctx context.Context, o Options) (*Server, error) {
	set, err := create(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, set: set, id: set.id(), began: time.Now(),
		joined: make(chan struct{}), stopWatch: func() {},
	}
	s.life, s.endLife = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.takeRoles(ctx); err != nil {
		return nil, errors.Join(err, s.remove(ctx, "it never began"))
	}
	return s, nil
}

// remove ends the instance for everybody.
func (s *Server) remove(ctx context.Context, reason string) error {
	s.stopWatch()
	return s.set.end(context.WithoutCancel(ctx), reason)
}

func (s *Server) takeRoles(ctx context.Context) error {
	req, err := s.set.requests.TrySender()
	if err != nil {
		return err
	}
	ctl, err := s.set.control.TrySender()
	if err != nil {
		return err
	}
	if s.tokens, err = s.set.tokens.TryReceiver(); err != nil {
		return err
	}
	s.requests, s.control = newPort(req), newPort(ctl)
	s.startWatch(ctx) // before a runner can join
	return s.control.send(ctx, Frame{ID: Version, Kind: hello, Payload: s.set.hello()})
}

// Instance returns the identity of this instance, which no other has.
func (s *Server) Instance() ID { return s.id }

// PID returns the runner's process id: of the child, or, for one that came by itself, as it
// says in its own pid namespace. It is 0 before the runner has joined.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

// Done is closed when the runner has ended. What it sent can be received after that.
func (s *Server) Done() <-chan struct{} { return s.life.Done() }

// Err returns nil while the runner lives, and an *EndedError when it has ended.
func (s *Server) Err() error {
	select {
	case <-s.life.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.end
	default:
		return nil
	}
}

// MaxPayload returns the largest payload of a frame to the runner, in bytes.
func (s *Server) MaxPayload() int { return s.set.requests.MaxMessage() - HeaderSize }

// Channels returns the segments themselves, for what this package does not do. They must not
// be closed.
func (s *Server) Channels() (requests, tokens, control *channel.Channel, status *channel.Event) {
	return s.set.requests, s.set.tokens, s.set.control, s.set.status
}

// Send sends a copy of a frame to the runner, and waits while the channel is full. Errors
// are those of channel.Sender.Send: channel.ErrDraining when the link is being stopped; or
// ErrRunnerEnded.
func (s *Server) Send(ctx context.Context, f Frame) error {
	if err := s.Err(); err != nil {
		return err
	}
	err := s.requests.send(ctx, f)
	if err == nil {
		s.sent.Add(1)
	}
	return s.explain(ctx, err)
}

// SendBatch sends frames in order and returns how many were accepted: all if the error is
// nil, else the first n.
func (s *Server) SendBatch(ctx context.Context, fs []Frame) (n int, err error) {
	if err := s.Err(); err != nil {
		return 0, err
	}
	n, err = s.requests.sendBatch(ctx, fs)
	s.sent.Add(uint64(n))
	return n, s.explain(ctx, err)
}

// Reserve makes room for a frame to the runner whose payload of at most n bytes is then
// written in place: blobs need no copy. f.Payload is not used.
func (s *Server) Reserve(ctx context.Context, f Frame, n int) (Lease, error) {
	if err := s.Err(); err != nil {
		return Lease{}, err
	}
	l, err := s.requests.reserve(ctx, f, n)
	if err == nil {
		s.sent.Add(1)
	}
	return l, s.explain(ctx, err)
}

// Cancel tells the runner that a request is not wanted any more. It overtakes everything
// that is in the other channels, however full they are.
func (s *Server) Cancel(ctx context.Context, id uint64) error {
	return s.tell(ctx, Frame{ID: id, Kind: Cancel})
}

func (s *Server) tell(ctx context.Context, f Frame) error {
	if err := s.Err(); err != nil {
		return err
	}
	return s.explain(ctx, s.control.send(ctx, f))
}

// Control sends a small frame of a kind of the user's ahead of all requests. Its payload has
// at most some hundred bytes: channel.ErrTooBig says how many.
func (s *Server) Control(ctx context.Context, f Frame) error {
	if f.Kind < User {
		return fmt.Errorf("%w: control frames are of kind User or above, not %v",
			ErrProtocol, f.Kind)
	}
	return s.tell(ctx, f)
}

// Recv returns the next frame of the runner, in place; it must be released. Whatever the
// runner sent comes first; then io.EOF, bare, if the link is being stopped and the runner has
// finished, or an ErrRunnerEnded.
func (s *Server) Recv(ctx context.Context) (Frame, error) {
	m, err := s.tokens.TryRecv()
	if errors.Is(err, channel.ErrEmpty) || errors.Is(err, channel.ErrBusy) {
		m, err = s.await(ctx)
	}
	if err == nil {
		s.received.Add(1)
		return parse(m)
	}
	if errors.Is(err, io.EOF) && s.draining.Load() {
		return Frame{}, io.EOF
	}
	return Frame{}, s.explain(ctx, err)
}

// await waits for a frame, or for the end of the runner. That is known by the watch too: the
// next runner of a name may have come to the same segments, and gone, before this receiver
// looked, and then the channel has no death left to tell.
func (s *Server) await(ctx context.Context) (channel.Message, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	m, err := s.tokens.Recv(waiting)
	if err == nil || s.life.Err() == nil || ctx.Err() != nil || !errors.Is(err, context.Canceled) {
		return m, err
	}
	if m, err = s.tokens.TryRecv(); errors.Is(err, channel.ErrEmpty) {
		err = s.Err()
	}
	return m, err
}

// RecvBatch fills dst with the frames that are there and returns how many; it waits for the
// first as Recv does. Each must be released. What has no header is passed over.
func (s *Server) RecvBatch(ctx context.Context, dst []Frame) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	f, err := s.Recv(ctx)
	if err != nil {
		return 0, err
	}
	dst[0] = f
	n := 1
	for n < len(dst) {
		f, ok := s.another()
		if !ok {
			break
		}
		dst[n] = f
		n++
	}
	return n, nil
}

// another returns a frame that is there. Errors are met again by the next Recv.
func (s *Server) another() (Frame, bool) {
	for {
		m, err := s.tokens.TryRecv()
		if err != nil {
			return Frame{}, false
		}
		s.received.Add(1)
		if f, err := parse(m); err == nil {
			return f, true
		}
	}
}

// Frames iterates over what the runner sends, as Recv returns it. Each frame is valid until
// the next iteration, and is released by the loop. io.EOF ends the loop silently; another
// error is yielded once and ends it too.
func (s *Server) Frames(ctx context.Context) iter.Seq2[Frame, error] {
	return frames(ctx, s.Recv)
}

func frames(
	ctx context.Context, recv func(context.Context) (Frame, error),
) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		for {
			f, err := recv(ctx)
			if errors.Is(err, io.EOF) || !once(yield, f, err) || err != nil {
				return
			}
		}
	}
}

// once yields a frame and releases it, also if the loop's body panics.
func once(yield func(Frame, error) bool, f Frame, err error) bool {
	if err == nil {
		defer f.Release()
	}
	return yield(f, err)
}

// Status returns what is known of the runner: by its own word, and by the kernel's.
func (s *Server) Status() Status {
	var st Status
	if _, value, err := s.set.status.Load(); err == nil {
		if t, ok := decodeTold(value); ok {
			st.fill(t)
		}
	}
	st.observe(s.set, s.opts.StallAfter)
	if st.PID == 0 {
		st.PID = s.PID()
	}
	return st
}
