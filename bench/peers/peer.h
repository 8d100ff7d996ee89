/* Queues that programs use today, measured like the floor. A program gives how to open its
 * queue, and how to send and to receive a message; modes are trip and stream. */
#ifndef SHMRING_BENCH_PEER_H
#define SHMRING_BENCH_PEER_H

#include "../floor/common.h"

/* A queue is one process's end of both directions. */
struct queue;

static struct queue *queue_open(const struct args *a, int is_parent);
static int queue_send(struct queue *q, const void *b, size_t size); /* 0 if it went well */
static int queue_recv(struct queue *q, void *b, size_t size);
static void queue_close(struct queue *q, int is_parent);

struct end {
	struct queue *q;
	char *buf;
	size_t size;
};

static void *open_end(const struct args *a, int is_parent)
{
	struct end *e = (struct end *)calloc(1, sizeof *e);
	e->q = queue_open(a, is_parent);
	e->size = a->size;
	e->buf = (char *)malloc(a->size);
	memset(e->buf, 'x', a->size);
	return e;
}

static void close_end(void *x, int is_parent)
{
	struct end *e = (struct end *)x;
	queue_close(e->q, is_parent);
	free(e->buf);
	free(e);
}

static const char *put(void *x, uint64_t n)
{
	struct end *e = (struct end *)x;
	fill(e->buf, e->size, n);
	return queue_send(e->q, e->buf, e->size) ? "not sent" : NULL;
}

static const char *take(void *x, uint64_t n)
{
	struct end *e = (struct end *)x;
	if (queue_recv(e->q, e->buf, e->size))
		return "not received";
	return sound(e->buf, e->size, n) ? NULL : "not what was sent";
}

static const char *there_and_back(void *x, uint64_t n)
{
	const char *err = put(x, n);
	return err ? err : take(x, n);
}

static const char *back(void *x, uint64_t n)
{
	const char *err = take(x, n);
	return err ? err : put(x, n);
}

int main(int argc, char **argv)
{
	struct args a = parse(argc, argv);
	struct side trip = {open_end, there_and_back, close_end};
	struct side answer = {open_end, back, close_end};
	struct side from = {open_end, take, close_end};
	struct side to = {open_end, put, close_end};
	if (!strcmp(a.mode, "trip")) {
		measure(&a, &trip, &answer, 1);
	} else if (!strcmp(a.mode, "stream")) {
		measure(&a, &from, &to, 0);
	} else {
		fprintf(stderr, "%s: no mode %s\n", argv[0], a.mode);
		return 2;
	}
	return 0;
}

#endif
