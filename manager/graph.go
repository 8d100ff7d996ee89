package manager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"shmring/channel"
	"shmring/internal/layout"
)

// A Graph says what depends on what, by name.
type Graph map[string][]string

// A CycleError names a cycle of dependencies: each depends on the next, the last on the
// first.
type CycleError struct{ Names []string }

// Error implements error.
func (e *CycleError) Error() string {
	return "dependencies in a cycle: " + strings.Join(e.Names, " → ") + " → " + e.Names[0]
}

// DependsOn records that a depends on b: what is received from a leads to messages in b, so
// a is drained before b is sealed. Between channels that is kept in the segment of a, and so
// seen by every process; if one of them is a Resource, this Manager remembers it. A
// dependency that closes a cycle is refused with a *CycleError.
func (m *Manager) DependsOn(ctx context.Context, a, b string) error {
	m.mu.Lock()
	ca, cb := m.channels[a], m.channels[b]
	ra, rb := m.resources[a], m.resources[b]
	m.mu.Unlock()
	switch {
	case ca == nil && ra == nil:
		return fmt.Errorf("manager: %q depends on %q: %w: register the first", a, b,
			fs.ErrNotExist)
	case cb == nil && rb == nil:
		return fmt.Errorf("manager: %q depends on %q: %w: register the second", a, b,
			fs.ErrNotExist)
	case a == b:
		return &CycleError{Names: []string{a}}
	case ca != nil && cb != nil:
		return m.channelDependsOn(ctx, ca, cb)
	}
	return m.resourceDependsOn(ctx, a, b)
}

// channelDependsOn records first and looks for a cycle then: of two processes that close one
// together, at least one sees it and takes its own half back.
func (m *Manager) channelDependsOn(ctx context.Context, a, b *Channel) error {
	from, err := a.Raw(ctx)
	if err != nil {
		return err
	}
	to, err := b.Raw(ctx)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(from.Dependencies(), func(d channel.Dependency) bool {
		return d.Name == b.name && d.Instance == to.Instance()
	})
	if known {
		return nil
	}
	if err := from.DependOn(ctx, to); err != nil {
		return err
	}
	g, err := m.Graph(ctx)
	if err == nil {
		err = g.cycle(a.name)
	}
	if err != nil {
		return errors.Join(err, from.Independ(ctx, b.name))
	}
	return nil
}

func (m *Manager) resourceDependsOn(ctx context.Context, a, b string) error {
	g, err := m.Graph(ctx)
	if err != nil {
		return err
	}
	g[a] = append(g[a], b)
	if err := g.cycle(a); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.resources[a]; r != nil && !slices.Contains(r.dependsOn, b) {
		r.dependsOn = append(r.dependsOn, b)
	} else if r == nil && !slices.Contains(m.above[a], b) {
		m.above[a] = append(m.above[a], b)
	}
	return nil
}

// Graph returns the dependencies of everything that is registered and of every channel of
// the directory that this process may look at: those of other processes are opened
// read-only. Everything that was looked at has an entry.
func (m *Manager) Graph(ctx context.Context) (Graph, error) {
	g := make(Graph)
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, errClosed
	}
	todo := slices.Collect(maps.Keys(m.channels))
	for name, r := range m.resources {
		g[name] = slices.Clone(r.dependsOn)
	}
	above := maps.Clone(m.above)
	m.mu.Unlock()
	entries, err := channel.List(m.opts.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Err == nil && e.Header.Kind == layout.KindChannel {
			todo = append(todo, e.Name)
		}
	}
	for ; len(todo) > 0; todo = todo[1:] {
		name := todo[0]
		if _, seen := g[name]; seen {
			continue
		}
		deps, err := m.dependencies(ctx, name)
		switch {
		case err == nil:
			g[name] = append(deps, above[name]...)
			todo = append(todo, deps...)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case m.registered(name):
			return nil, err // others' may be no channels, or not for us to see
		}
	}
	return g, nil
}

func (m *Manager) registered(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.channels[name] != nil
}

// dependencies returns the names that a channel depends on, by its segment. A dependency on
// a former channel of a name counts no more.
func (m *Manager) dependencies(ctx context.Context, name string) (names []string, err error) {
	err = m.look(ctx, name, func(ch *channel.Channel) error {
		for _, d := range ch.Dependencies() {
			err := m.look(ctx, d.Name, func(other *channel.Channel) error {
				if other.Instance() == d.Instance {
					names = append(names, d.Name)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return names, err
}

// look runs f with a channel: ours if it is open, else a read-only look at its segment. A
// channel that does not exist is passed over.
func (m *Manager) look(
	ctx context.Context, name string, f func(*channel.Channel) error,
) error {
	o := channel.OpenOptions{Dir: m.opts.Dir, ReadOnly: true}
	m.mu.Lock()
	c := m.channels[name]
	m.mu.Unlock()
	if c != nil {
		if ch := c.raw.Load(); ch != nil {
			return f(ch)
		}
		o.Dir, o.AllowUIDs = c.spec.Dir, c.spec.AllowUIDs
	}
	ch, err := channel.Open(ctx, name, o)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f(ch), ch.Close())
}

// cycle returns a *CycleError if a way leads from name back to it.
func (g Graph) cycle(name string) error {
	var way []string
	seen := make(map[string]bool)
	var walk func(at string) bool
	walk = func(at string) bool {
		way = append(way, at)
		for _, next := range g[at] {
			if next == name {
				return true
			}
			if !seen[next] {
				seen[next] = true
				if walk(next) {
					return true
				}
			}
		}
		way = way[:len(way)-1]
		return false
	}
	if walk(name) {
		return &CycleError{Names: way}
	}
	return nil
}

// anyCycle returns a *CycleError if anything depends on itself.
func (g Graph) anyCycle() error {
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if err := g.cycle(name); err != nil {
			return err
		}
	}
	return nil
}

// dependents turns the graph around: who has to end before each.
func (g Graph) dependents() Graph {
	turned := make(Graph)
	for _, a := range slices.Sorted(maps.Keys(g)) {
		for _, b := range g[a] {
			turned[b] = append(turned[b], a)
		}
	}
	return turned
}

// height returns how many things, one after another, end from name on: itself, and the
// longest way of dependencies below it.
func (g Graph) height(name string) int {
	heights := make(map[string]int)
	var of func(name string) int
	of = func(name string) int {
		if h, known := heights[name]; known {
			return h
		}
		heights[name] = 1 // also what a cycle that somebody stored by hand comes back to
		most := 0
		for _, next := range g[name] {
			most = max(most, of(next))
		}
		heights[name] = most + 1
		return most + 1
	}
	return of(name)
}
