/* From the seal to CLOSED, whoever dies.
 *
 * A closer calls Shutdown and is killed anywhere; somebody calls it again. The receiver takes
 * and releases what is left and tells the end; it is killed once and has a successor. Shutdown:
 * under the control lock seal and DRAINING; wait, without the lock, until head is at tail; under
 * the lock CLOSING, CLOSED, unlink. Others who look complete what a dead controller left. Shown:
 * the state goes along its table and the epoch only grows; the seal is followed by CLOSED, if
 * somebody calls Shutdown who lives, and the name is gone then.
 *
 * run: clean
 * run: clean live
 * run: cycle live -DNOBODY_AGAIN
 * run: cycle live -DLOCK_WHILE_DRAINING
 * run: cycle live -DHEAD_KEPT
 * run: cycle live -DLOCK_OF_THE_DEAD
 * run: assert -DUNLINK_FIRST
 * run: assert -DSTORED
 *
 * NOBODY_AGAIN: the closer died and nobody calls Shutdown again: a helper completes a step, but
 *   does not drain. That is no fault: it is not promised.
 * LOCK_WHILE_DRAINING: the control lock is held while draining, and the receiver needs it for the
 *   end: they wait for each other.
 * HEAD_KEPT: the receiver does not publish head when it is at the end.
 * LOCK_OF_THE_DEAD: the lock of a dead controller is not freed.
 * UNLINK_FIRST: the name goes before CLOSED; killed in between, the channel has no name and is
 *   not closed.
 * STORED: the state word is stored and not changed by CAS; the receiver's move is undone.
 */
#define ACTIVE 1
#define DRAINING 2
#define CLOSING 3
#define CLOSED 4
#define LEFT 2                   /* messages */
#define NOBODY 9

byte state = ACTIVE, epoch, highest = ACTIVE;
bool sealed, linked = true;
byte head, next;                 /* published; received */
byte control = NOBODY;
bool kill, dead, killRx, end, again;

inline lock(me) { atomic { control == NOBODY -> control = me } }
inline unlock() { control = NOBODY }

inline move(from, to)
{
#ifdef STORED
	if
	:: state == from -> atomic { state = to; epoch++; assert(to >= highest); highest = to }
	:: else
	fi
#else
	atomic {
		if
		:: state == from ->
			state = to;
			epoch++;
			assert(to == from + 1 && to >= highest);
			highest = to
		:: else
		fi
	}
#endif
}

inline complete()
{
	if :: state == ACTIVE && sealed -> move(ACTIVE, DRAINING) :: else fi
}

inline shutdown(me)
{
	lock(me);
	complete();
	if :: state == ACTIVE -> sealed = true; move(ACTIVE, DRAINING) :: else fi;
#ifndef LOCK_WHILE_DRAINING
	unlock();
#endif
	(head == LEFT || state == CLOSED);
#ifndef LOCK_WHILE_DRAINING
	lock(me);
#endif
#ifdef UNLINK_FIRST
	linked = false;
#endif
	if :: state == DRAINING -> move(DRAINING, CLOSING) :: else fi;
	if :: state == CLOSING -> move(CLOSING, CLOSED) :: else fi;
	linked = false;
	unlock()
}

active proctype Closer()
{
	{
		shutdown(0);
		again = true
	} unless {
		kill -> atomic {
#ifndef LOCK_OF_THE_DEAD
			if :: control == 0 -> control = NOBODY :: else fi;
#endif
			dead = true
		}
	}
}

active proctype Again()
{
	(dead || again);
#ifndef NOBODY_AGAIN
	if :: dead -> shutdown(1) :: else fi
#else
	lock(1);
	complete();
	unlock()
#endif
}

active proctype Killer()
{
	if :: kill = true :: skip fi;
	if :: killRx = true :: skip fi
}

inline receive()
{
	next = head;
	do
	:: next < LEFT -> next++; if :: head = next :: skip fi
	:: next == LEFT && !sealed ->
		head = next;
		(sealed)
	:: next == LEFT && sealed ->
#ifndef HEAD_KEPT
		head = next;
#endif
#ifdef LOCK_WHILE_DRAINING
		lock(2);
#endif
		if
		:: state == DRAINING -> move(DRAINING, CLOSING)
		:: else
		fi;
#ifdef LOCK_WHILE_DRAINING
		unlock();
#endif
		if
		:: state >= CLOSING -> end = true; break
		:: state == ACTIVE -> (state != ACTIVE)
		:: else
		fi
	od
}

active proctype Receiver()
{
	{ receive() } unless { killRx && !end };
	if :: !end -> receive() :: else fi
}

/* at any instant */
active proctype Watcher()
{
	assert(sealed || state == ACTIVE);
	assert(linked || state == CLOSED)
}

ltl closes { [] (sealed -> <> (state == CLOSED && !linked)) }
