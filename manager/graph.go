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
	}
	ctx, cancel := m.bounded(ctx)
	defer cancel()
	if ca != nil && cb != nil {
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
	// Whoever is killed after the record leaves it: what is a cycle without it is not begun.
	g, err := m.Graph(ctx)
	if err != nil {
		return err
	}
	g[a.name] = append(g[a.name], b.name)
	if err := g.cycle(a.name); err != nil {
		return err
	}
	if err := from.DependOn(ctx, to); err != nil {
		return err
	}
	if err := m.checkCycle(ctx, a.name); err != nil {
		back, cancel := takeBack(ctx) // also if the end of ctx is why
		defer cancel()
		return errors.Join(err, from.Independ(back, b.name))
	}
	return nil
}

func (m *Manager) checkCycle(ctx context.Context, name string) error {
	g, err := m.Graph(ctx)
	if err != nil {
		return err
	}
	return g.cycle(name)
}

// Graph returns the dependencies of everything that is registered and of every channel of
// the directory that this process may look at: those of other processes are opened
// read-only. Everything that was looked at has an entry. It fails if something that is
// registered cannot be looked at.
func (m *Manager) Graph(ctx context.Context) (Graph, error) {
	g, unseen, err := m.survey(ctx)
	if err = errors.Join(err, unseen); err != nil {
		return nil, err
	}
	return g, nil
}

// survey is Graph that goes on beside registered channels that cannot be looked at: they
// have an entry, without what they depend on, and unseen says why.
func (m *Manager) survey(ctx context.Context) (g Graph, unseen, err error) {
	g = make(Graph)
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, nil, errClosed
	}
	todo := slices.Collect(maps.Keys(m.channels))
	for name, r := range m.resources {
		g[name] = slices.Clone(r.dependsOn)
	}
	above := maps.Clone(m.above)
	m.mu.Unlock()
	entries, err := channel.List(m.opts.Dir)
	if err != nil {
		return nil, nil, err
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
			return nil, nil, context.Cause(ctx)
		case m.registered(name): // others' may be no channels, or not for us to see
			g[name] = slices.Clone(above[name])
			unseen = errors.Join(unseen, err)
		}
	}
	return g, unseen, nil
}

func (m *Manager) registered(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.channels[name] != nil
}

// dependencies returns the names that a channel depends on, by its segment. A dependency on
// a former channel of a name counts no more; one on a channel that cannot be looked at does.
func (m *Manager) dependencies(ctx context.Context, name string) (names []string, err error) {
	err = m.look(ctx, name, func(ch *channel.Channel) error {
		for _, d := range ch.Dependencies() {
			err := m.look(ctx, d.Name, func(other *channel.Channel) error {
				if other.Instance() == d.Instance {
					names = append(names, d.Name)
				}
				return nil
			})
			switch {
			case err == nil:
			case ctx.Err() != nil:
				return err
			default:
				names = append(names, d.Name)
			}
		}
		return nil
	})
	return names, err
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
