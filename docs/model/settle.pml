/* The row of a dead participant is settled, by several, who are killed at it.
 *
 * A sender died: its byte is free, its row has its claim number, an intent and a waiting bit.
 * Two who look settle it and are killed anywhere, a third one lives; the kernel frees the byte
 * of who dies. Then a newcomer takes the place. Meanwhile the receiver tells of the death: it
 * takes the record away by a CAS. Rule: who settles holds the byte and looks at the number again
 * under it; the record comes first and the number goes last; what is written is keyed by the
 * number; the death is told only when the number is gone. Shown: it is told once and is once in
 * the log, nothing of the dead is left in the row, and nothing of the newcomer's is taken.
 *
 * run: clean
 * run: assert -DNUMBER_FIRST
 * run: assert -DTELL_UNSETTLED
 * run: assert -DNO_RELOOK
 * run: assert -DLOG_ADDED
 * run: assert -DUNLOCKED
 *
 * NUMBER_FIRST: the claim number goes before the record; killed in between, nobody hears of the
 *   death.
 * TELL_UNSETTLED: told as soon as it is on record; who completes the settling records it again.
 * NO_RELOOK: the number was seen before the byte was taken; by then somebody has settled it.
 * LOG_ADDED: the log takes what comes, not one row for a number.
 * UNLOCKED: the byte is not taken.
 */
#define DEAD 1                   /* claim numbers */
#define NEW 2
#define NOBODY 9

byte claim = DEAD, intent = DEAD, mark = DEAD;
byte record, logged, told;
byte holder = NOBODY;
bool kill[2];
byte done;
bool settled;                    /* the one who lives has looked */

inline take(me)
{
#ifdef UNLOCKED
	got = (holder != 8)
#else
	atomic { if :: holder == NOBODY -> holder = me; got = true :: else -> got = false fi }
#endif
}

inline letGo(me) { atomic { if :: holder == me -> holder = NOBODY :: else fi } }

inline settle(n)
{
#ifdef NUMBER_FIRST
	claim = 0;
#endif
	record = n;
#ifdef LOG_ADDED
	logged++;
#else
	/* the row of the log that belongs to the number: to write it again changes nothing */
	logged = 1;
#endif
	intent = 0;
	mark = 0;
#ifndef NUMBER_FIRST
	claim = 0
#endif
}

inline look(me)
{
	n = claim;
	if
	:: n == DEAD && holder == NOBODY ->
		take(me);
		if
		:: got ->
#ifndef NO_RELOOK
			n = claim;
#endif
			if :: n != 0 -> settle(n) :: else fi;
			letGo(me)
		:: else
		fi
	:: else
	fi
}

active [2] proctype Settler()
{
	byte n, me = _pid;
	bool got;

	{ look(me) } unless { kill[me] -> letGo(me) };
	done++
}

active proctype Killer()
{
	if :: kill[0] = true :: skip fi;
	if :: kill[1] = true :: skip fi
}

active proctype Survivor()
{
	byte n;
	bool got;

	/* the look that follows the last death */
	done == 2;
	look(3);
	settled = true;
}

/* Takes the place: settles what it finds, clears the row, shows its own number and intent. */
active proctype Newcomer()
{
	atomic { holder == NOBODY && claim != NEW -> holder = 4 };
	if
	:: claim == DEAD -> settle(DEAD)
	:: else
	fi;
	intent = 0;
	mark = 0;
	claim = NEW;
	intent = NEW;
	mark = NEW;
	settled && done == 2;
	assert(claim == NEW && intent == NEW && mark == NEW)
}

active proctype Receiver()
{
	byte n;

	do
	:: record != 0 ->
		n = record;
#ifndef TELL_UNSETTLED
		if :: claim == n -> goto next :: else fi;
#endif
		atomic { if :: record == n -> record = 0; told++; assert(told == 1) :: else fi };
next:
		skip
	:: record == 0 && settled && done == 2 && claim == NEW -> break
	od;
	assert(told == 1 && logged == 1)
}
