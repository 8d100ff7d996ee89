// Package link gives a server and its runner all that such pairs need between them, by one
// call on each side: requests, tokens, cancels that overtake both, a status, and supervision.
//
//	// The server:
//	report, err := link.Run(ctx, link.Options{Command: runner},
//		func(ctx context.Context, s *link.Server) error {
//			err := s.Send(ctx, link.Frame{ID: 1, Kind: link.Request, Payload: prompt})
//			for f, err := range s.Frames(ctx) { … } // tokens, until the runner ends
//		})
//	// The runner, which the server starts:
//	r, err := link.Join(ctx)
//	defer r.Close()
//	for f, err := range r.Frames(ctx) { … r.Send(ctx, link.Frame{ID: f.ID, Kind: link.Token, …}) }
//
// # The channels
//
//	requests  MPSC   server → runner   frames of any size
//	tokens    SPSC   runner → server   frames of any size
//	control   MPSC   server → runner   cancels and small frames, ahead of all requests
//	status    event  runner → server   what it is busy with, and progress: the last word
//
// Every message is a Frame: a header of HeaderSize bytes, and a payload that the link does not
// look at. Large ones are written in place by Reserve and Commit, and read in place.
//
// # Instances
//
// The life of one runner is an instance, with segments and an identity of its own. When
// the runner dies, what it had sent is received first; then Server.Recv returns an
// *EndedError that names it; then the next instance begins. Nothing of the former one can get
// into it: a runner of a former instance that wakes up finds its own segments closed.
// The runner learns of the server's death by Runner.Context and by every call, within
// milliseconds. Death is what the kernel says. A runner that is stopped, or slow, is never
// taken for dead: Server.Status says who it is, what it holds and since when.
//
// Between parent and child the segments have no names: killing both leaves nothing. With
// Options.Name they have, for runners in other containers, which call Attach; what a
// former run left under those names is replaced. One server at a time has a name.
//
// # The end
//
// When the context of Start ends (give it one of signal.NotifyContext), or by Stop, the
// requests are sealed; the runner's Recv returns what is there and then io.EOF; it finishes and
// calls Close; the server's Recv returns all that it sent and then io.EOF; serve returns nil. A
// runner that takes longer than Options.StopGrace is killed.
//
// A runner that gets SIGTERM too, because a supervisor sends it to all processes of a
// group, should ignore it: its Recv tells it when to end.
package link
