/* What the programs in C and C++ beside the benchmarks have in common: two processes, each
 * on a core of its own, messages that are verified, and one line of JSON with what a message
 * took. The Go benchmarks measure in the same way.
 *
 *   program MODE SIZE COUNT CORE CORE
 *
 * In a trip the parent sends message n and waits for it to come back; in a stream the child
 * sends and the parent receives. A core of -1 is not pinned. */
#ifndef SHMRING_BENCH_COMMON_H
#define SHMRING_BENCH_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE 64
#define SMALL 32
#define MAX_SAMPLES (1 << 18)

/* What both processes share, besides what is measured. */
struct shared {
	uint32_t there __attribute__((aligned(LINE)));
	uint32_t back __attribute__((aligned(LINE)));
	uint64_t child_cpu __attribute__((aligned(LINE)));
	uint32_t listening; /* the parent is there */
	uint32_t received;  /* the parent has everything: whoever closes before may take it back */
};

struct args {
	const char *mode;
	size_t size;
	uint64_t count;
	int core[2];
	struct shared *shared;
};

/* A side makes what it needs, does its part of message n, and gives back what it made.
 * A step that fails returns a text. */
struct side {
	void *(*open)(const struct args *, int is_parent);
	const char *(*step)(void *, uint64_t n);
	void (*close)(void *, int is_parent);
};

static inline void die(const char *what)
{
	fprintf(stderr, "%s: ", what);
	perror(NULL);
	exit(1);
}

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	if (clock_gettime(id, &ts))
		die("clock_gettime");
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
static inline uint64_t cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

/* Small messages are the four words that the Go benchmarks send; of others both ends are
 * numbered. */
static inline uint64_t mixed(uint64_t n, int word)
{
	static const uint64_t mix[4] = {0, 0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu,
		0x165667b19e3779f9u};
	return n ^ mix[word];
}

static inline void fill(void *b, size_t size, uint64_t n)
{
	uint64_t w[4] = {n, mixed(n, 1), mixed(n, 2), mixed(n, 3)};
	if (size == SMALL) {
		memcpy(b, w, SMALL);
		return;
	}
	memcpy(b, &w[0], 8);
	memcpy((char *)b + size - 8, &w[1], 8);
}

static inline int sound(const void *b, size_t size, uint64_t n)
{
	uint64_t w[4];
	if (size == SMALL) {
		memcpy(w, b, SMALL);
		return ((w[0] ^ n) | (w[1] ^ mixed(n, 1)) | (w[2] ^ mixed(n, 2)) |
			(w[3] ^ mixed(n, 3))) == 0;
	}
	memcpy(&w[0], b, 8);
	memcpy(&w[1], (const char *)b + size - 8, 8);
	return w[0] == n && w[1] == mixed(n, 1);
}

static inline void *map_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static inline void pin(int core)
{
	cpu_set_t set;
	if (core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof set, &set))
		die("sched_setaffinity");
}

static inline void await(uint32_t *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		sched_yield();
}

static inline void steps(const struct side *s, void *x, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		const char *err = s->step(x, n);
		if (err) {
			fprintf(stderr, "message %llu: %s\n", (unsigned long long)n, err);
			exit(1);
		}
	}
}

static inline int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* The percentiles for which ten samples lie beyond. */
static inline void print_percentiles(uint64_t *ns, uint64_t count)
{
	static const struct { const char *name; double at; uint64_t least; } points[] = {
		{"p50", .5, 1}, {"p90", .9, 100}, {"p99", .99, 1000}, {"p99.9", .999, 10000},
		{"p99.99", .9999, 100000}, {"max", 1, 1},
	};
	qsort(ns, count, sizeof *ns, by_value);
	for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
		uint64_t at = (uint64_t)(points[i].at * (double)count);
		if (count >= points[i].least)
			printf(", \"%s-ns\": %llu", points[i].name,
				(unsigned long long)ns[at < count ? at : count - 1]);
	}
}

static inline uint64_t warm_count(const struct args *a)
{
	uint64_t most = a->size > (1 << 20) ? 8 : 1000;
	return a->count < most ? a->count : most;
}

static inline uint64_t sample_count(const struct args *a, int timed)
{
	if (!timed)
		return 0;
	return a->count < MAX_SAMPLES ? a->count : MAX_SAMPLES;
}

/* The way of a cache line between the cores, there and back, as the Go benchmarks measure it:
 * the median of some blocks. On a virtual machine it changes, and everything with it. */
#define LINE_BLOCKS 16
#define LINE_TRIPS 128

static inline void answer_line(struct shared *s, uint32_t first)
{
	for (uint32_t n = first; n < first + LINE_BLOCKS * LINE_TRIPS; n++) {
		while (__atomic_load_n(&s->there, __ATOMIC_SEQ_CST) != n + 1)
			;
		__atomic_store_n(&s->back, n + 1, __ATOMIC_SEQ_CST);
	}
}

static inline double pass_line(struct shared *s, uint32_t first)
{
	uint64_t blocks[LINE_BLOCKS];
	for (int i = 0; i < LINE_BLOCKS; i++) {
		uint64_t began = now_ns();
		for (int j = 0; j < LINE_TRIPS; j++, first++) {
			__atomic_store_n(&s->there, first + 1, __ATOMIC_SEQ_CST);
			while (__atomic_load_n(&s->back, __ATOMIC_SEQ_CST) != first + 1)
				;
		}
		blocks[i] = now_ns() - began;
	}
	qsort(blocks, LINE_BLOCKS, sizeof *blocks, by_value);
	return (double)blocks[LINE_BLOCKS / 2] / LINE_TRIPS;
}

static inline int two_cores(const struct args *a) { return a->core[0] >= 0 && a->core[1] >= 0; }

static inline void child_side(const struct side *s, const struct args *a, int timed)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(a->core[1]);
	await(&a->shared->listening);
	if (two_cores(a))
		answer_line(a->shared, 0);
	void *x = s->open(a, 0);
	uint64_t warm = warm_count(a), extra = sample_count(a, timed);
	steps(s, x, 0, warm);
	uint64_t cpu = cpu_ns();
	steps(s, x, warm, warm + a->count);
	__atomic_store_n(&a->shared->child_cpu, cpu_ns() - cpu, __ATOMIC_RELEASE);
	steps(s, x, warm + a->count, warm + a->count + extra);
	if (two_cores(a))
		answer_line(a->shared, LINE_BLOCKS * LINE_TRIPS);
	await(&a->shared->received);
	s->close(x, 0);
}

static inline void parent_side(const struct side *s, const struct args *a, int timed, pid_t child)
{
	pin(a->core[0]);
	void *x = s->open(a, 1);
	__atomic_store_n(&a->shared->listening, 1, __ATOMIC_RELEASE);
	double line = two_cores(a) ? pass_line(a->shared, 0) : 0;
	uint64_t warm = warm_count(a), extra = sample_count(a, timed);
	uint64_t *ns = (uint64_t *)calloc(extra + 1, sizeof *ns);
	steps(s, x, 0, warm);
	uint64_t cpu = cpu_ns(), began = now_ns();
	steps(s, x, warm, warm + a->count);
	uint64_t took = now_ns() - began;
	cpu = cpu_ns() - cpu;
	uint64_t last = now_ns();
	for (uint64_t i = 0; i < extra; i++) {
		steps(s, x, warm + a->count + i, warm + a->count + i + 1);
		uint64_t now = now_ns();
		ns[i] = now - last;
		last = now;
	}
	if (two_cores(a)) {
		double again = pass_line(a->shared, LINE_BLOCKS * LINE_TRIPS);
		line = again > line ? again : line;
	}
	__atomic_store_n(&a->shared->received, 1, __ATOMIC_RELEASE);
	int status = 0;
	if (waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "the child ended with %d\n", status);
		exit(1);
	}
	s->close(x, 1);
	cpu += __atomic_load_n(&a->shared->child_cpu, __ATOMIC_ACQUIRE);
	printf("{\"messages\": %llu, \"ns/op\": %.2f, \"cpu-ns/op\": %.2f",
		(unsigned long long)a->count, (double)took / (double)a->count,
		(double)cpu / (double)a->count);
	if (two_cores(a))
		printf(", \"line-ns\": %.1f", line);
	if (extra)
		print_percentiles(ns, extra);
	printf("}\n");
	free(ns);
}

static inline struct args parse(int argc, char **argv)
{
	struct args a;
	memset(&a, 0, sizeof a);
	if (argc != 6) {
		fprintf(stderr, "usage: %s MODE SIZE COUNT CORE CORE\n", argv[0]);
		exit(2);
	}
	a.mode = argv[1];
	a.size = (size_t)strtoull(argv[2], NULL, 10);
	a.count = strtoull(argv[3], NULL, 10);
	a.core[0] = atoi(argv[4]);
	a.core[1] = atoi(argv[5]);
	if (a.size < 16 || a.count == 0) {
		fprintf(stderr, "%s: size of 16 or more, count of 1 or more\n", argv[0]);
		exit(2);
	}
	a.shared = (struct shared *)map_shared(sizeof *a.shared);
	return a;
}

/* measure forks, and lets both sides work. In a timed run each step of the parent is timed, in
 * a pass of its own. */
static inline void measure(const struct args *a, const struct side *parent,
	const struct side *child, int timed)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		child_side(child, a, timed);
		fflush(NULL);
		_exit(0);
	}
	parent_side(parent, a, timed, pid);
}

#endif
