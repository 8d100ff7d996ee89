package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"shmring/channel"
	"shmring/shm"
)

// A Manager is this process's view of channels, and its hands on them.
type Manager struct {
	opts   Options
	lastOp atomic.Uint64

	mu        sync.Mutex
	closed    bool
	channels  map[string]*Channel
	resources map[string]*resource
	events    map[string]*channel.Event
	tracked   map[string]*queue
	monitor   *monitor
	above     Graph // dependencies of channels on resources, which no segment can hold
}

// New returns a Manager. It must be closed.
func New(o Options) (*Manager, error) {
	if o.Dir != "" {
		if info, err := os.Stat(o.Dir); err != nil {
			return nil, fmt.Errorf("manager: directory of segments: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("manager: directory of segments %s: %w", o.Dir, fs.ErrInvalid)
		}
	}
	return &Manager{
		opts: o, channels: make(map[string]*Channel), resources: make(map[string]*resource),
		events: make(map[string]*channel.Event), tracked: make(map[string]*queue),
		above: make(Graph),
	}, nil
}

// Default returns a Manager for programs that need only one, made by New at the first call.
// Who uses it must not close it before the end of the program.
func Default() *Manager { return defaultManager() }

var defaultManager = sync.OnceValue(func() *Manager {
	m, err := New(Options{})
	if err != nil {
		panic(err) // New fails for a directory only, and none was given
	}
	return m
})

// Create makes a new channel, which must not exist, and registers it. Its errors are those
// of channel.Create.
func (m *Manager) Create(ctx context.Context, name string, o channel.Options) (*Channel, error) {
	c, fresh, err := m.register(name, Spec{Options: o})
	if err == nil && !fresh {
		err = fmt.Errorf("manager: create %q: %w: it is registered already", name, fs.ErrExist)
	}
	if err != nil {
		return nil, err
	}
	return c.attached(ctx, fresh, func(ctx context.Context) (*channel.Channel, error) {
		return channel.Create(ctx, name, c.spec.Options)
	})
}

// Open attaches to a channel that exists and registers it. Its errors are those of
// channel.Open. A channel that is registered already is opened as it was declared.
func (m *Manager) Open(ctx context.Context, name string, o channel.OpenOptions) (*Channel, error) {
	spec := Spec{Options: channel.Options{OpenOptions: o}}
	return m.attach(ctx, name, spec, func(
		ctx context.Context, c *Channel,
	) (*channel.Channel, error) {
		return channel.Open(ctx, name, c.spec.OpenOptions)
	})
}

// OpenOrCreate attaches to a channel or creates it, and registers it. Its errors are those
// of channel.OpenOrCreate. A channel that is registered already is opened as it was declared.
func (m *Manager) OpenOrCreate(
	ctx context.Context, name string, o channel.Options,
) (*Channel, error) {
	return m.attach(ctx, name, Spec{Options: o}, func(
		ctx context.Context, c *Channel,
	) (*channel.Channel, error) {
		return c.openSpec(ctx)
	})
}

// attach opens a channel by how if it was not registered before, else as it was declared. If
// it waited for a call that registered the channel and failed, it goes by its own means.
func (m *Manager) attach(
	ctx context.Context, name string, spec Spec,
	how func(context.Context, *Channel) (*channel.Channel, error),
) (*Channel, error) {
	for {
		c, fresh, err := m.register(name, spec)
		if err != nil {
			return nil, err
		}
		open := c.openSpec
		if fresh {
			open = func(ctx context.Context) (*channel.Channel, error) { return how(ctx, c) }
		}
		got, err := c.attached(ctx, fresh, open)
		if !fresh && errors.Is(err, errNeverOpened) && ctx.Err() == nil {
			m.unregister(c) // it may not have come to that yet
			continue
		}
		return got, err
	}
}

// Forget detaches from a channel and removes it from the register, so that its name can be
// declared anew, and with it what this Manager remembers of its dependencies on resources. It
// does not end the channel. A name that is not registered is no error.
func (m *Manager) Forget(name string) error {
	m.mu.Lock()
	c := m.channels[name]
	m.mu.Unlock()
	if c == nil {
		return nil
	}
	return m.forget(c)
}

// forget removes c from the register, and not a successor of its name.
func (m *Manager) forget(c *Channel) error {
	m.unregister(c)
	return c.detach()
}

func (m *Manager) unregister(c *Channel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.channels[c.name] == c {
		delete(m.channels, c.name)
		delete(m.above, c.name)
	}
}

// Declare registers a channel that is opened or created, by spec, when it is used first. A
// name that is registered already keeps its former spec.
func (m *Manager) Declare(name string, spec Spec) error {
	_, _, err := m.register(name, spec)
	return err
}

// Channel returns a channel that was declared, created or opened, or fs.ErrNotExist. It
// opens nothing: the channel does that when it is used.
func (m *Manager) Channel(name string) (*Channel, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch c := m.channels[name]; {
	case m.closed:
		return nil, errClosed
	case c != nil:
		return c, nil
	}
	return nil, notRegistered(name)
}

func notRegistered(name string) error {
	return fmt.Errorf("manager: channel %q: %w: declare it, or open it first", name,
		fs.ErrNotExist)
}

// Channels lists what is registered, by name.
func (m *Manager) Channels() []*Channel {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*Channel, 0, len(m.channels))
	for _, name := range slices.Sorted(maps.Keys(m.channels)) {
		all = append(all, m.channels[name])
	}
	return all
}

// Close detaches from every channel. It ends none of them: that is what Shutdown does.
// A second Close returns channel.ErrClosed.
func (m *Manager) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return errClosed
	}
	m.closed = true
	monitor := m.monitor
	var ends []func() error
	for _, c := range m.channels {
		ends = append(ends, c.detach)
	}
	for _, e := range m.events {
		ends = append(ends, func() error { return unlessClosed(e.Close()) })
	}
	m.mu.Unlock()
	if monitor != nil {
		monitor.stop()
	}
	errs := make([]error, len(ends))
	var closing sync.WaitGroup
	for i, end := range ends { // all at once: a call of one may wait for a turn on another
		closing.Go(func() { errs[i] = end() })
	}
	closing.Wait()
	return errors.Join(errs...)
}

// unlessClosed drops the error of a second Close: the first was the caller's own.
func unlessClosed(err error) error {
	if errors.Is(err, channel.ErrClosed) {
		return nil
	}
	return err
}

// errClosed is for calls on a closed Manager.
var errClosed = fmt.Errorf("manager: %w", channel.ErrClosed)

// register returns the channel of that name, and whether it was not registered before.
func (m *Manager) register(name string, spec Spec) (c *Channel, fresh bool, err error) {
	if spec.Nameless {
		return nil, false, fmt.Errorf("manager: %w: a channel needs a name to be managed",
			fs.ErrInvalid)
	}
	if err := shm.CheckName(name); err != nil {
		return nil, false, fmt.Errorf("manager: %w", err)
	}
	if spec.Dir == "" {
		spec.Dir = m.opts.Dir
	}
	if spec.Logger == nil {
		spec.Logger = m.opts.Logger
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, false, errClosed
	}
	if m.resources[name] != nil || m.tracked[name] != nil {
		return nil, false, fmt.Errorf("manager: channel %q: %w: something else is registered "+
			"under that name", name, fs.ErrExist)
	}
	if c = m.channels[name]; c == nil {
		c, fresh = &Channel{
			m: m, name: name, spec: spec, opening: make(chan struct{}, 1),
			sending: make(chan struct{}, 1), receiving: make(chan struct{}, 1),
		}, true
		c.life, c.end = context.WithCancelCause(context.Background())
		m.channels[name] = c
	}
	return c, fresh, nil
}
