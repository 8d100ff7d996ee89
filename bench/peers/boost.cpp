// Boost.Interprocess message_queue: a mutex and two conditions in shared memory.
#include <boost/interprocess/ipc/message_queue.hpp>

#include "peer.h"

namespace ipc = boost::interprocess;

struct queue {
	ipc::message_queue *out, *in;
	char there[64], back[64];
};

// depth gives a queue the room that a channel has.
static size_t depth(size_t size)
{
	size_t n = (1 << 20) / size;
	return n < 4 ? 4 : n > 256 ? 256 : n;
}

static struct queue *queue_open(const struct args *a, int is_parent)
{
	struct queue *q = new struct queue;
	int pid = is_parent ? getpid() : getppid();
	snprintf(q->there, sizeof q->there, "shmring-bench-%d-there", pid);
	snprintf(q->back, sizeof q->back, "shmring-bench-%d-back", pid);
	if (is_parent) {
		q->out = new ipc::message_queue(ipc::create_only, q->there, depth(a->size), a->size);
		q->in = new ipc::message_queue(ipc::create_only, q->back, depth(a->size), a->size);
	} else {
		q->in = new ipc::message_queue(ipc::open_only, q->there);
		q->out = new ipc::message_queue(ipc::open_only, q->back);
	}
	return q;
}

static int queue_send(struct queue *q, const void *b, size_t size)
{
	q->out->send(b, size, 0);
	return 0;
}

static int queue_recv(struct queue *q, void *b, size_t size)
{
	ipc::message_queue::size_type got = 0;
	unsigned priority = 0;
	q->in->receive(b, size, got, priority);
	return got != size;
}

static void queue_close(struct queue *q, int is_parent)
{
	delete q->out;
	delete q->in;
	if (is_parent) {
		ipc::message_queue::remove(q->there);
		ipc::message_queue::remove(q->back);
	}
	delete q;
}
