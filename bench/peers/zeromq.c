/* ZeroMQ, a pair over ipc: an abstract unix socket and a thread for it in each process. */
#include "peer.h"

#include <zmq.h>

struct queue {
	void *context, *socket;
};

static struct queue *queue_open(const struct args *a, int is_parent)
{
	struct queue *q = calloc(1, sizeof *q);
	char at[64];
	(void)a;
	snprintf(at, sizeof at, "ipc://@shmring-bench-%d", is_parent ? getpid() : getppid());
	q->context = zmq_ctx_new();
	q->socket = zmq_socket(q->context, ZMQ_PAIR);
	if (is_parent ? zmq_bind(q->socket, at) : zmq_connect(q->socket, at))
		die("zmq");
	return q;
}

static int queue_send(struct queue *q, const void *b, size_t size)
{
	return zmq_send(q->socket, b, size, 0) != (int)size;
}

static int queue_recv(struct queue *q, void *b, size_t size)
{
	return zmq_recv(q->socket, b, size, 0) != (int)size;
}

static void queue_close(struct queue *q, int is_parent)
{
	(void)is_parent;
	zmq_close(q->socket);
	zmq_ctx_destroy(q->context);
	free(q);
}
