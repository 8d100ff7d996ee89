/* A latch that is given back by a plain store, until somebody has to wait for it.
 *
 * Two owners take it by a compare-and-swap of word and give it back by a store that stays in their
 * processor's buffer for any time; then they look at bias. Two who wait revoke the bias, in turn:
 * they clear it, make every processor empty its buffer, and try until they have the word,
 * sleeping in between until an owner tells them. Shown: no two have it, nobody waits for ever,
 * and afterwards it is the mutex's.
 *
 * run: clean
 * run: deadlock -DNO_BARRIER
 * run: deadlock -DLOOK_FIRST
 * run: deadlock -DBARRIER_FIRST
 * run: deadlock -DTELL_UNFENCED
 * run: assert -DBLIND
 *
 * NO_BARRIER: an owner looks at bias before its store is seen; the revoker finds the word taken.
 * LOOK_FIRST: an owner looks at bias before it gives the latch back.
 * BARRIER_FIRST: the revoker passes the barrier before it clears bias.
 * TELL_UNFENCED: an owner tells while its store is still on its way. It comes upon a token that is
 *   there already and adds none; the revoker takes that one, finds the word taken, and sleeps.
 * BLIND: who finds the bias revoked goes in without the word, though an owner from before may be
 *   inside.
 */
#define OWNERS 2
#define REVOKERS 2

bool word;                      /* as everybody sees it */
bool bias = true;
bool lone = true;
bool mutex;
byte inside;
chan buffer[OWNERS] = [1] of { bit };
chan free = [1] of { bit };     /* a token: look again */

inline critical()
{
	inside++;
	assert(inside == 1);
	inside--
}

inline unlockMutex() { mutex = false }

inline lockMutex(i)
{
	atomic { !mutex -> mutex = true };
	if
	:: lone ->
#ifdef BARRIER_FIRST
		barrier();
		bias = false;
#else
		bias = false;
#ifndef NO_BARRIER
		barrier();
#endif
#endif
#ifndef BLIND
		do
		:: atomic { !word -> word = true; break }
		:: atomic { else -> skip };
			free?_
		od;
#endif
		lone = false
	:: else
	fi
}

inline barrier() { empty(buffer[0]); empty(buffer[1]) }

/* stores leave a buffer at any time */
active proctype Processor()
{
	bit v;

end:	do
	:: atomic { buffer[0]?v -> word = false }
	:: atomic { buffer[1]?v -> word = false }
	od
}

active [OWNERS] proctype Owner()
{
	byte n;
	bool won, seen;

	for (n : 1 .. 2) {
		won = false;
		if
		:: bias ->
			/* locked: waits for the own buffer */
			atomic { empty(buffer[_pid - 1]); won = !word; if :: won -> word = true :: else fi }
		:: else
		fi;
		if
		:: won ->
			critical();
#ifdef LOOK_FIRST
			seen = bias;
			buffer[_pid - 1]!0;
#else
			buffer[_pid - 1]!0;
			seen = bias;
#endif
			if
			:: !seen ->
				atomic {
#ifndef TELL_UNFENCED
					empty(buffer[_pid - 1]);
#endif
					if :: nfull(free) -> free!0 :: full(free) fi
				}
			:: else
			fi
		:: else ->               /* it waits, and so is a revoker itself */
			lockMutex(_pid);
			critical();
			unlockMutex()
		fi
	}
}

active [REVOKERS] proctype Revoker()
{
	lockMutex(_pid);
	critical();
	unlockMutex()
}
