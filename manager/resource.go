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
	// Close ends the resource. ctx ends when there is no more time for that.
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
	m.resources[name] = &resource{Resource: r, dependsOn: slices.Clone(dependsOn)}
	return nil
}

// Unregister takes a resource out of the graph without closing it. A name that is not
// registered is no error.
func (m *Manager) Unregister(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.resources, name)
}

// A resource is a Resource with its dependencies, which the Manager's mutex guards.
type resource struct {
	Resource
	dependsOn []string
}
