/* The least that two processes can do to exchange something, in C: two words to spin on, two
 * words with a futex, and memcpy into shared buffers and out of them. What a channel costs
 * beyond these is its own; what Go costs beyond C shows beside the same in Go. */
#include "common.h"

#include <linux/futex.h>
#include <sys/syscall.h>

/* words: one for each direction, each alone on its line. */
struct words {
	uint32_t there __attribute__((aligned(LINE)));
	uint32_t back __attribute__((aligned(LINE)));
};

static struct words *words;

static void *open_words(const struct args *a, int is_parent)
{
	(void)a, (void)is_parent;
	return words;
}

static void close_nothing(void *x, int is_parent) { (void)x, (void)is_parent; }

static const char *spin_trip(void *x, uint64_t n)
{
	struct words *w = x;
	__atomic_store_n(&w->there, (uint32_t)n + 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&w->back, __ATOMIC_SEQ_CST) != (uint32_t)n + 1)
		;
	return NULL;
}

static const char *spin_answer(void *x, uint64_t n)
{
	struct words *w = x;
	while (__atomic_load_n(&w->there, __ATOMIC_SEQ_CST) != (uint32_t)n + 1)
		;
	__atomic_store_n(&w->back, (uint32_t)n + 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void futex_wake(uint32_t *w)
{
	syscall(SYS_futex, w, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void futex_sleep(uint32_t *w, uint32_t want)
{
	while (__atomic_load_n(w, __ATOMIC_SEQ_CST) != want)
		syscall(SYS_futex, w, FUTEX_WAIT, want - 1, NULL, NULL, 0);
}

static const char *futex_trip(void *x, uint64_t n)
{
	struct words *w = x;
	__atomic_store_n(&w->there, (uint32_t)n + 1, __ATOMIC_SEQ_CST);
	futex_wake(&w->there);
	futex_sleep(&w->back, (uint32_t)n + 1);
	return NULL;
}

static const char *futex_answer(void *x, uint64_t n)
{
	struct words *w = x;
	futex_sleep(&w->there, (uint32_t)n + 1);
	__atomic_store_n(&w->back, (uint32_t)n + 1, __ATOMIC_SEQ_CST);
	futex_wake(&w->back);
	return NULL;
}

/* A pipe of buffers, with two counters to spin on, and as much room as a channel has: 256
 * messages, or what 1 MiB holds, but four. */
struct pipeline {
	uint64_t filled __attribute__((aligned(LINE)));
	uint64_t freed __attribute__((aligned(LINE)));
	char buffers[] __attribute__((aligned(4096)));
};

struct copier {
	struct pipeline *p;
	char *own;
	size_t size;
	uint64_t slots;
};

static struct pipeline *pipeline;

static uint64_t slots_of(size_t size)
{
	uint64_t slots = (1 << 20) / size;
	return slots < 4 ? 4 : slots > 256 ? 256 : slots;
}

static void *open_copier(const struct args *a, int is_parent)
{
	struct copier *c = calloc(1, sizeof *c);
	(void)is_parent;
	c->p = pipeline;
	c->size = a->size;
	c->slots = slots_of(a->size);
	c->own = malloc(a->size);
	memset(c->own, 'x', a->size);
	return c;
}

static void close_copier(void *x, int is_parent)
{
	struct copier *c = x;
	(void)is_parent;
	free(c->own);
	free(c);
}

static const char *copy_out(void *x, uint64_t n)
{
	struct copier *c = x;
	while (__atomic_load_n(&c->p->filled, __ATOMIC_ACQUIRE) <= n)
		;
	memcpy(c->own, c->p->buffers + n % c->slots * c->size, c->size);
	__atomic_store_n(&c->p->freed, n + 1, __ATOMIC_RELEASE);
	return sound(c->own, c->size, n) ? NULL : "not what was sent";
}

static const char *copy_in(void *x, uint64_t n)
{
	struct copier *c = x;
	fill(c->own, c->size, n);
	while (n - __atomic_load_n(&c->p->freed, __ATOMIC_ACQUIRE) >= c->slots)
		;
	memcpy(c->p->buffers + n % c->slots * c->size, c->own, c->size);
	__atomic_store_n(&c->p->filled, n + 1, __ATOMIC_RELEASE);
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct { const char *mode; struct side parent, child; int timed; } all[] = {
		{"spin", {open_words, spin_trip, close_nothing},
			{open_words, spin_answer, close_nothing}, 1},
		{"futex", {open_words, futex_trip, close_nothing},
			{open_words, futex_answer, close_nothing}, 1},
		{"memcpy", {open_copier, copy_out, close_copier},
			{open_copier, copy_in, close_copier}, 0},
	};
	struct args a = parse(argc, argv);
	words = map_shared(sizeof *words);
	pipeline = map_shared(sizeof *pipeline + slots_of(a.size) * a.size);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!strcmp(a.mode, all[i].mode)) {
			measure(&a, &all[i].parent, &all[i].child, all[i].timed);
			return 0;
		}
	fprintf(stderr, "%s: no mode %s\n", argv[0], a.mode);
	return 2;
}
