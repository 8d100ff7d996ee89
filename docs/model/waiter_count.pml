/* Why waiters are bits, one a place, and not a number.
 *
 * One process sleeps for ever; another announces itself, leaves again, and is killed at any
 * instant; one or two others settle what it left behind. Afterwards exactly the living sleeper
 * must be announced. A bit can be cleared twice without harm. A count has to be corrected
 * exactly once, and no order of "count" and "note that I counted" survives every kill.
 *
 * run: clean
 * run: clean -DSETTLERS=2
 * run: assert -DCOUNT
 * run: assert -DCOUNT -DNOTE_FIRST
 * run: assert -DCOUNT -DUNCOUNT_FIRST
 * run: assert -DCOUNT -DNOTE_FIRST -DUNCOUNT_FIRST
 * run: assert -DCOUNT -DSETTLERS=2
 *
 * COUNT: a shared count beside a note of the process, count before note.
 * NOTE_FIRST: note before count. UNCOUNT_FIRST: when leaving, the count goes before the note.
 * SETTLERS=2: two settle at once.
 */
#ifndef SETTLERS
#define SETTLERS 1
#endif

byte count, bits[2];     /* bits[0]: the living sleeper; bits[1]: the other */
bool note, kill, dead, left;

active proctype Mortal()
{
	{
#ifdef COUNT
#ifdef NOTE_FIRST
		note = true; count++;
#else
		count++; note = true;
#endif
#ifdef UNCOUNT_FIRST
		count--; note = false
#else
		note = false; count--
#endif
#else
		bits[1] = 1;
		bits[1] = 0
#endif
	} unless { kill -> dead = true };
	left = true
}

active proctype Killer()
{
	if :: kill = true :: skip fi
}

active proctype Sleeper()
{
#ifdef COUNT
	count++
#else
	bits[0] = 1
#endif
}

active [SETTLERS] proctype Settler()
{
	left;
	if
	:: dead ->
#ifdef COUNT
		if :: note -> count--; note = false :: else fi
#else
		bits[1] = 0
#endif
	:: else
	fi
}

active proctype Judge()
{
	timeout;
#ifdef COUNT
	assert(count == 1)
#else
	assert(bits[0] + bits[1] == 1)
#endif
}
