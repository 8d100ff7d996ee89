package channeltest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall" //nolint:depguard // names of signals
	"testing"
	"time"
)

// envProgram names what a child process is to run.
const envProgram = "SHMRING_CHANNELTEST_PROGRAM"

// A Program is a function that can be run in a process of its own.
type Program struct {
	name string
	run  func(context.Context, *Child) error
}

var registry struct {
	mu       sync.Mutex
	programs map[string]*Program
	main     bool // Main was called
}

// Func gives fn a name, unique in the test binary, by which a child process finds it. Call
// it when a package-level variable is initialized. In the process, ctx ends with SIGTERM or
// SIGINT, and when the test or its process ends; an error is what Process.Wait returns.
func Func(name string, fn func(ctx context.Context, c *Child) error) *Program {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if registry.programs[name] != nil {
		panic(fmt.Sprintf("channeltest: two functions are called %q", name))
	}
	if registry.programs == nil {
		registry.programs = make(map[string]*Program)
	}
	p := &Program{name: name, run: fn}
	registry.programs[name] = p
	return p
}

// Main runs the tests. In a child process it runs the child's function instead, and does
// not return. Call it from TestMain, where it may be the last call: the code of the tests is
// what the test binary ends with. What TestMain does before, child processes do as well.
func Main(m *testing.M) {
	registry.mu.Lock()
	registry.main = true
	name, isChild := os.LookupEnv(envProgram)
	program := registry.programs[name]
	registry.mu.Unlock()
	if !isChild {
		m.Run()
		return
	}
	code := 2
	if program == nil {
		fmt.Fprintf(os.Stderr, "channeltest: no function is called %q: is Func called when a "+
			"package-level variable is initialized?\n", name)
	} else {
		code = program.child()
	}
	os.Exit(code) //nolint:forbidigo // the end of a process whose only job this was
}

// childPatience is how long a child's function may go on when its test is over.
const childPatience = 5 * time.Second

// child runs the function in this process, and returns the exit code.
func (p *Program) child() int {
	_ = os.Unsetenv(envProgram) // the name is valid: it was set
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	c := &Child{in: newLines(), Args: os.Args[2:]}
	go func() {
		_, _ = io.Copy(c.in, os.Stdin) // its end is all that matters
		c.in.close()
		cancel()
		time.AfterFunc(childPatience, func() {
			fmt.Fprintln(os.Stderr, "channeltest: the function goes on when its test is over")
			os.Exit(3) //nolint:forbidigo // nobody is there to tell
		})
	}()
	if err := p.run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A Child is what a function has in its process. Its methods may be called concurrently.
type Child struct {
	// Args are the words that were given to Start.
	Args []string

	in *lines
	mu sync.Mutex
}

// Say tells the test a line.
func (c *Child) Say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(os.Stdout, format+"\n", args...) //nolint:errcheck // with the test we go too
}

// Hear waits for a line of the test; io.EOF says that the test is over.
func (c *Child) Hear() (string, error) {
	line, ok := c.in.next()
	if !ok {
		return "", io.EOF
	}
	return line, nil
}
