package link

import (
	"slices"
	"sync"
	"sync/atomic"
)

// maxCancels is how many cancels a runner remembers that nobody asked about. One that
// is older is of a request that ended long ago, or was sent before more requests than fit any
// channel of usual size.
const maxCancels = 4096

// cancels is what a runner knows of cancelled requests: a set whose oldest members go when
// it is full.
type cancels struct {
	known atomic.Int64 // ids in set
	news  atomic.Int64 // ids in fresh

	mu    sync.Mutex
	set   map[uint64]struct{}
	order []uint64 // ids of set, oldest first, and some that have left it
	fresh []uint64 // not returned by take yet
}

func (c *cancels) add(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, twice := c.set[id]; twice {
		return
	}
	if c.set == nil {
		c.set = make(map[uint64]struct{})
	}
	if len(c.order) >= maxCancels {
		delete(c.set, c.order[0])
		c.order = slices.Delete(c.order, 0, 1)
	}
	if len(c.fresh) >= maxCancels {
		c.fresh = slices.Delete(c.fresh, 0, 1)
	}
	c.set[id] = struct{}{}
	c.order = append(c.order, id)
	c.fresh = append(c.fresh, id)
	c.count()
}

func (c *cancels) count() {
	c.known.Store(int64(len(c.set)))
	c.news.Store(int64(len(c.fresh)))
}

func (c *cancels) has(id uint64) bool {
	if c.known.Load() == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.set[id]
	return ok
}

// forget is for a request that has ended.
func (c *cancels) forget(id uint64) {
	if c.known.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.set[id]; !ok {
		return
	}
	delete(c.set, id)
	same := func(other uint64) bool { return other == id }
	c.order = slices.DeleteFunc(c.order, same)
	c.fresh = slices.DeleteFunc(c.fresh, same)
	c.count()
}

// take returns what was cancelled since the last take, in order.
func (c *cancels) take() []uint64 {
	if c.news.Load() == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.fresh
	c.fresh = nil
	c.count()
	return fresh
}
