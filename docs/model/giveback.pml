/* Memory that a draining ring gives back.
 *
 * A page is there or not; the file system is full, so whoever touches a page that is not there
 * dies of SIGBUS: an assertion. A ring of four slots in two pages. A sender, slow at any point,
 * sends more than a lap. The receiver holds what it received, releases it later and publishes
 * head later still; its successor starts at head. It also looks at the slot at tail, which
 * nobody has reserved, and, in a run of messages, one slot further than its next. A drainer
 * seals and, under the control lock, gives back the pages that hold no slot from head to tail,
 * tail's own and one behind it included. A recoverer takes everything again and then the seal
 * back. Somebody may force the close, after which the receiver moves head to tail while it still
 * reads what it holds. With KILLS one of drainer, recoverer and receiver is killed, anywhere.
 * Shown: nobody touches what is not there, and what was sent is received as it was sent and
 * stays so until it is released.
 *
 * run: clean
 * run: clean -DKILLS
 * run: assert -DNO_LOCK
 * run: assert -DUNSEALED
 * run: assert -DUNSEAL_FIRST
 * run: assert -DNO_REFILL
 * run: assert -DBELOW_RECEIVED
 * run: assert -DTAIL_TOO
 * run: assert -DAHEAD_TOO
 * run: assert -DSHARED_PAGES
 * run: assert -DFORCED_TOO
 * run: assert -DKILLS -DRECORD_LATE
 *
 * NO_LOCK: the drainer has no lock while it gives back: the seal is taken back meanwhile.
 * UNSEALED: it does not look whether the ring is still sealed.
 * UNSEAL_FIRST: the recoverer takes the seal back before the memory.
 * NO_REFILL: it does not take the memory at all.
 * BELOW_RECEIVED: what was received counts as free, though it is held.
 * TAIL_TOO: the slot at tail counts as free; an idle receiver looks at it.
 * AHEAD_TOO: the slot behind that counts as free; a receiver looks how far the sender is.
 * SHARED_PAGES: a page goes if one of its slots is free.
 * FORCED_TOO: it gives back after a forced close, when head says nothing about what is held.
 * RECORD_LATE: the recoverer takes memory only if a note says that some was given back, which
 *   the drainer makes afterwards: killed in between, it leaves none. (A note made before would
 *   do; none is needed, since taking what is there changes nothing.)
 */
#define SLOTS 4
#define MESSAGES 5
#define NOBODY 9

bool there[2] = true;            /* pages: slots 0 and 1, slots 2 and 3 */
byte word[SLOTS];                /* position + 1 of the message, 0 nothing */
byte head, tail, next;           /* published; reserved; received */
bool sealed, forced, noted;
byte control = NOBODY;
bool kill, killRec, killRx, received;

#define touch(pos) assert(there[((pos) % SLOTS) / 2])
#define away(i) (((i) + SLOTS - h % SLOTS) % SLOTS)
#ifdef TAIL_TOO
#define free(i) (away(i) >= tail - h)
#elif defined(AHEAD_TOO)
#define free(i) (away(i) > tail - h)
#else
#define free(i) (away(i) > tail - h + 1)
#endif
#ifdef SHARED_PAGES
#define spare(p) (free(2 * (p)) || free(2 * (p) + 1))
#else
#define spare(p) (free(2 * (p)) && free(2 * (p) + 1))
#endif

inline lock(me) { atomic { control == NOBODY -> control = me } }
inline unlock() { control = NOBODY }

active proctype Sender()
{
	byte pos;

	do
	:: atomic { !sealed && tail < MESSAGES && tail - head < SLOTS -> pos = tail; tail++ };
		atomic { touch(pos); word[pos % SLOTS] = pos + 1 }
	:: tail == MESSAGES || forced -> break
	od
}

inline receive()
{
	next = head; rel = head;
	do
	:: !forced && head < MESSAGES ->     /* also at tail */
		atomic {
			touch(next);
			if
			:: next - rel < SLOTS && word[next % SLOTS] == next + 1 -> next++;
				touch(next + 1)
			:: else
			fi
		}
	:: rel < next -> atomic {
			touch(rel);
			assert(word[rel % SLOTS] == rel + 1);
			rel++;
			if
			:: !forced -> head = rel
			:: rel < next -> skip    /* later, with others */
			:: forced -> skip
			fi
		}
	:: forced && head < tail -> head = tail      /* counted; what is held stays readable */
	:: forced && rel == next && head == tail -> break
	:: head == MESSAGES -> break
	od
}

active proctype Receiver()
{
	byte rel;

	{ receive(); received = true } unless { killRx && !received };
	if :: !received -> receive() :: else fi
}

inline give(p)
{
	if
	:: spare(p) -> atomic { there[p] = false; word[2 * p] = 0; word[2 * p + 1] = 0 }
	:: else
	fi
}

inline drain()
{
	atomic { control == NOBODY -> sealed = true };
#ifndef NO_LOCK
	lock(0);
#endif
	if
#ifdef UNSEALED
	:: !forced ->
#elif defined(FORCED_TOO)
	:: sealed ->
#else
	:: sealed && !forced ->
#endif
#ifdef BELOW_RECEIVED
		h = next;
#else
		h = head;
#endif
		give(0);
		give(1);
		noted = true
	:: else
	fi;
#ifndef NO_LOCK
	unlock()
#endif
}

active proctype Drainer()
{
	byte h;

	{ drain(); drain() } unless {
		kill -> atomic { if :: control == 0 -> control = NOBODY :: else fi }
	}
}

inline refill()
{
	if
#ifdef NO_REFILL
	:: true
#elif defined(RECORD_LATE)
	:: !noted
	:: noted ->
#else
	:: true ->
#endif
#ifndef NO_REFILL
		there[0] = true;
		there[1] = true;
		noted = false
#endif
	fi
}

inline recover()
{
	lock(1);
	if
	:: sealed && !forced ->
#ifdef UNSEAL_FIRST
		sealed = false;
		refill()
#else
		refill();
		sealed = false
#endif
	:: else
	fi;
	unlock()
}

active proctype Recoverer()
{
	{ recover() } unless {
		killRec -> atomic { if :: control == 1 -> control = NOBODY :: else fi }
	}
}

active proctype Forcer()
{
	if
	:: atomic { control == NOBODY -> sealed = true; forced = true }
	:: skip
	fi
}

active proctype Killer()
{
#ifdef KILLS
	if
	:: kill = true
	:: killRec = true
	:: killRx = true
	fi
#else
	skip
#endif
}

/* Whoever waits for ever waits for a message or a seal: then nothing goes on, by right. */
active proctype End()
{
	end: timeout -> goto end
}
