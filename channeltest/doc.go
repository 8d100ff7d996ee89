// Package channeltest helps to test programs that use channels: it gives each test channels
// of its own, runs parts of a test in real processes that can be killed and stopped, and
// finds what was left behind.
//
//	var flood = channeltest.Func("flood",
//		func(ctx context.Context, c *channeltest.Child) error {
//			ch, err := channel.Open(ctx, c.Args[0], channel.OpenOptions{})
//			…
//			c.Say("ready")
//			…
//		})
//
//	func TestMain(m *testing.M) { channeltest.Main(m) }
//
//	func TestFloodIsKilled(t *testing.T) {
//		ch := channeltest.New(t)
//		p := flood.Start(t, ch.Name())
//		p.Expect("ready")
//		p.Kill()
//		…
//	}
//
// # Processes
//
// A test binary can only run code that it contains, so what is to run in another process
// is given a name by Func in a package-level variable, and Main in TestMain finds it there.
// The process is the same test binary, started anew. It shares no variables with the test:
// it gets words as arguments, and both sides exchange lines. It ends with its test, and with
// the test process, even if that is killed.
//
// # Directories
//
// Each test has a directory of segments of its own, so tests may run in parallel, and beside
// programs that use the default directory. It is SHMRING_DIR in the processes of the test;
// in the test itself it has to be given as OpenOptions.Dir, or by Setenv.
//
// # Leaks
//
// A test that used New, Dir, Setenv, Func or CheckLeaks fails if at its end a segment is
// left in its directory, or if this process still has one of them open or mapped, or if
// a goroutine that it started is still inside a call of a channel. What New and Start made
// is ended before.
package channeltest
