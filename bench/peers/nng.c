/* nng, a pair over an abstract unix socket, with threads of its own in each process. */
#include "peer.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

struct queue {
	nng_socket socket;
};

static struct queue *queue_open(const struct args *a, int is_parent)
{
	struct queue *q = calloc(1, sizeof *q);
	char at[64];
	snprintf(at, sizeof at, "abstract://shmring-bench-%d", is_parent ? getpid() : getppid());
	if (nng_pair0_open(&q->socket) ||
		nng_socket_set_size(q->socket, NNG_OPT_RECVMAXSZ, a->size) ||
		(is_parent ? nng_listen(q->socket, at, NULL, 0) : nng_dial(q->socket, at, NULL, 0)))
		die("nng");
	return q;
}

static int queue_send(struct queue *q, const void *b, size_t size)
{
	return nng_send(q->socket, (void *)b, size, 0);
}

static int queue_recv(struct queue *q, void *b, size_t size)
{
	size_t got = size;
	return nng_recv(q->socket, b, &got, 0) || got != size;
}

static void queue_close(struct queue *q, int is_parent)
{
	(void)is_parent;
	nng_close(q->socket);
	free(q);
}
