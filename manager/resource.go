package manager

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
)

// A Resource is anything else that has to end in order: a runner process, a model, a server.
type Resource interface {
	// Name is unique among the resources and channels of a Manager.
	Name() string
	// Close ends the resource. ctx ends, or has ended, when there is no more time for that.
	Close(ctx context.Context) error
}

// Register puts a resource into the graph by which Shutdown goes, and says what it depends
// on: names of channels or of other resources, registered before. It is closed before those
// are. Resources are of this process: others do not see them.
func (m *Manager) Register(r Resource, dependsOn ...string) error {
	name := r.Name()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return errClosed
	case name == "":
		return fmt.Errorf("manager: %w: a resource needs a name", fs.ErrInvalid)
	case m.resources[name] != nil, m.channels[name] != nil:
		return fmt.Errorf("manager: register %q: %w", name, fs.ErrExist)
	}
	for _, other := range dependsOn {
		if m.resources[other] == nil && m.channels[other] == nil {
			return fmt.Errorf("manager: register %q: it depends on %q: %w: register that first",
				name, other, fs.ErrNotExist)
		}
	}
	m.resources[name] = &resource{
		Resource: r, turn: make(chan struct{}, 1), dependsOn: slices.Clone(dependsOn),
	}
	return nil
}

// Unregister takes a resource out of the graph without closing it, and what depends on it
// does no more. A name that is not registered is no error.
func (m *Manager) Unregister(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.resources[name] == nil {
		return
	}
	delete(m.resources, name)
	for _, r := range m.resources {
		r.dependsOn = without(r.dependsOn, name)
	}
	for a, names := range m.above {
		m.above[a] = without(names, name)
	}
}

// A resource is a Resource with its dependencies, which the Manager's mutex guards.
type resource struct {
	Resource
	turn      chan struct{} // held by who closes it
	dependsOn []string
}

// endResource closes a resource and unregisters it. Of several shutdowns at once one does.
func (m *Manager) endResource(ctx context.Context, name string, r *resource) error {
	select {
	case r.turn <- struct{}{}: // also when it is late: Close decides what to do then
	default:
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("somebody else closes it: %w", context.Cause(ctx))
		}
	}
	defer func() { <-r.turn }()
	m.mu.Lock()
	ended := m.resources[name] != r
	m.mu.Unlock()
	if ended {
		return nil
	}
	if err := r.Close(ctx); err != nil {
		return err
	}
	m.Unregister(name)
	return nil
}

// resourceDependsOn also records first: two calls may close a cycle together.
func (m *Manager) resourceDependsOn(ctx context.Context, a, b string) error {
	m.mu.Lock()
	r := m.resources[a]
	known := r != nil && slices.Contains(r.dependsOn, b) || slices.Contains(m.above[a], b)
	switch {
	case known:
	case r != nil:
		r.dependsOn = append(r.dependsOn, b)
	default:
		m.above[a] = append(m.above[a], b)
	}
	m.mu.Unlock()
	if known {
		return nil
	}
	err := m.checkCycle(ctx, a)
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if r != nil {
			r.dependsOn = without(r.dependsOn, b)
		} else {
			m.above[a] = without(m.above[a], b)
		}
	}
	return err
}

// without returns a copy of names that lacks one.
func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}
