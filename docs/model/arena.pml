/* When arena becomes free again that aborted slots had, and that a held message has.
 *
 * A ring of two slots and an arena of three units; a sender reserves slots with or without one
 * unit, and commits, aborts, or is killed. An aborted slot does not say whether it had a unit.
 * Rule: passing an aborted slot, and starting as a receiver, requires a tail read afterwards and
 * remembered; when head reaches its position, all arena before it is free, and if aborted slots
 * at or beyond that position were passed meanwhile, tail is remembered anew. When head is at
 * tail, all is free. Messages are released in any order; the receiver is killed once, anywhere.
 * Shown: no unit of a message is freed before its release, and every unit is free at the latest
 * when head is four slots further: two laps, of which the second is owed to the death.
 *
 * run: clean
 * run: assert -DOWN_HOLES_ONLY
 * run: assert -DNOT_AT_START
 * run: assert -DREMEMBER_ONCE
 * run: assert -DBY_RECEIVED
 *
 * OWN_HOLES_ONLY: tail is remembered only at slots that the receiver aborted itself.
 * NOT_AT_START: not when a receiver starts; what its predecessor had remembered is lost.
 * REMEMBER_ONCE: not anew when the remembered position is reached.
 * BY_RECEIVED: arena is free when the receiver's own position is at tail, whatever it holds.
 */
#define SLOTS 2
#define UNITS 3
#define TOTAL 8
#define NEVER 255

#define INLINE 1
#define ARENA 2
#define ABORTED 3
#define DEAD 4           /* reserved by one that died */

byte tail, tailUnits;                     /* one word, as is the next pair */
byte published, publishedUnits;
byte word[TOTAL + 1];
byte end[TOTAL];                          /* ghost: arena position after this slot */

/* The receiver's own memory, lost when it is killed. */
byte next, head, headUnits, position = NEVER, units, aborted;
bool held[TOTAL + 1];
bool killed;

active proctype Sender()
{
	byte n;

	do
	:: n == TOTAL -> break
	:: n < TOTAL && tail - published < SLOTS ->
		atomic {
			if
			:: word[n] = INLINE
			:: tailUnits - publishedUnits < UNITS ->
				tailUnits++;
				if :: word[n] = ARENA :: word[n] = ABORTED :: word[n] = DEAD fi
			fi;
			end[n] = tailUnits;
			n++;
			tail = n
		}
	od
}

inline remember()
{
	if
	:: tail == head -> free(tailUnits); position = NEVER
	:: else -> position = tail; units = tailUnits
	fi
}

inline free(to)
{
	if :: to > headUnits -> headUnits = to :: else fi
}

/* advance moves head over what is not held, slot by slot. */
inline advance()
{
	do
	:: head == next || held[head] -> break
	:: else ->
		if :: word[head] == ARENA -> free(end[head]) :: else fi;
		head++;
		if
		:: head == position ->
			free(units);
			position = NEVER;
#ifndef REMEMBER_ONCE
			if :: aborted > head -> remember() :: else fi
#endif
		:: else
		fi
	od;
	check()
}

inline check()
{
	i = 0;
	do
	:: i == TOTAL -> break
	:: i < TOTAL ->
		/* what is held lies above what is free */
		assert(!(held[i] && word[i] == ARENA && headUnits >= end[i]));
		/* what lies two laps back is free */
		assert(i + 2 * SLOTS > head || i >= tail || headUnits >= end[i]);
		i++
	od;
	i = 0
}

active proctype Receiver()
{
	byte i;

start:
	atomic {
		head = published; headUnits = publishedUnits;
		next = head; aborted = 0; position = NEVER;
		i = 0;
		do :: i < TOTAL -> held[i] = false; i++ :: else -> break od;
		i = 0
	};
#ifndef NOT_AT_START
	atomic { remember() };
#endif
	do
	/* receive */
	:: next < tail && (word[next] == INLINE || word[next] == ARENA) ->
		atomic { held[next] = true; next++ }
	/* a hole whose owner is dead */
	:: next < tail && word[next] == DEAD ->
		word[next] = ABORTED;
#ifdef OWN_HOLES_ONLY
		atomic { next++; aborted = next; if :: position == NEVER -> remember() :: else fi; advance() }
#endif
	/* an aborted slot: look at tail after it is passed */
	:: next < tail && word[next] == ABORTED ->
		next++;
		aborted = next;
#ifndef OWN_HOLES_ONLY
		if :: position == NEVER -> atomic { remember() } :: else fi;
#endif
		atomic { advance() }
	/* release, in any order */
	:: held[head] -> atomic { held[head] = false; advance() }
	:: head + 1 < next && held[head + 1] -> atomic { held[head + 1] = false }
	/* nothing there */
#ifdef BY_RECEIVED
	:: atomic { next == tail && headUnits < tailUnits -> free(tailUnits); position = NEVER; check() }
#else
	:: atomic { next == tail && head == next && headUnits < tailUnits -> free(tailUnits); position = NEVER }
#endif
	/* publish, at some time */
	:: atomic { published != head || publishedUnits != headUnits -> published = head; publishedUnits = headUnits }
	:: !killed -> killed = true; goto start
	:: next == TOTAL && head == TOTAL && published == TOTAL && publishedUnits == tailUnits -> break
	od
}
