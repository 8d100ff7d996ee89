/* The end of a drained channel beside a rollback: the one change of state without a lock.
 *
 * A controller seals, may take the seal back (through ERROR and RECOVERING, in one hold of the
 * control lock), and seals again. A sender sends while it may. The receiver, at the tail of a
 * sealed ring, moves DRAINING to CLOSING by a bare CAS and reports the end. Rules: the word that
 * it changes was loaded before it looked at the ring, so that the CAS fails if anything came in
 * between; and a rollback gives up when the word is no longer the DRAINING that it saw. Shown:
 * nothing accepted lies behind a reported end, and a drained channel never ends in ERROR.
 *
 * run: clean
 * run: assert -DSTATE_AFTER_LOOK
 * run: assert -DROLLBACK_AGAIN
 *
 * STATE_AFTER_LOOK: the receiver loads the state after it saw the end of the ring. Between the
 *   two the seal was taken back, a message came, and the ring was sealed again.
 * ROLLBACK_AGAIN: a rollback whose CAS lost against the receiver tries again from the new state.
 *   CLOSING to ERROR is a legal move, but from there only CLOSING is left: the receiver gets an
 *   error where the end should be.
 */
#define ACTIVE 1
#define DRAINING 2
#define CLOSING 3
#define ERROR 5
#define RECOVERING 6
#define MESSAGES 2

byte state = ACTIVE, epoch;              /* one word; final is the mark of CLOSING */
bool final, sealed;
byte tail, next;
bool over, failed;

inline move(from, at, to)
{
	atomic {
		if
		:: state == from && epoch == at ->
			state = to;
			epoch++;
			final = final || to == CLOSING;
			won = true
		:: else -> won = false
		fi
	}
}

active proctype Controller()
{
	byte e;
	bool won;

	sealed = true;
	move(ACTIVE, epoch, DRAINING);
	if
	:: skip ->
		atomic { if :: state == DRAINING -> e = epoch :: else -> goto out fi };
		move(DRAINING, e, ERROR);
#ifdef ROLLBACK_AGAIN
		if :: !won -> e = epoch; move(CLOSING, e, ERROR) :: else fi;
#else
		if :: !won -> goto out :: else fi;
#endif
		if :: final -> goto out :: else fi;
		move(ERROR, epoch, RECOVERING);
		sealed = false;
		move(RECOVERING, epoch, ACTIVE);
		/* and again */
		sealed = true;
		move(ACTIVE, epoch, DRAINING)
	:: skip
	fi;
out:
	skip
}

active proctype Sender()
{
	byte n;

	do
	:: n == MESSAGES -> break
	:: n < MESSAGES ->
		atomic {
			/* sealed for good, or unsealed */
			(!sealed || state == CLOSING || state == ERROR && final) ->
			if :: sealed -> break :: else -> tail++; n++ fi
		}
	:: sealed -> break               /* the user gives up */
	od
}

active proctype Receiver()
{
	byte s, e;
	bool won;

look:
	atomic { s = state; e = epoch };
	if
	:: atomic { next < tail -> next++; goto look }
	:: atomic { next == tail && !sealed -> skip };
		/* asleep until something changes */
		(next < tail || sealed || state != s || epoch != e);
		goto look
	:: atomic { next == tail && sealed -> skip }
	fi;
#ifdef STATE_AFTER_LOOK
decide:
	atomic { s = state; e = epoch };
#endif
	if
	:: s == DRAINING ->
		move(DRAINING, e, CLOSING);
#ifdef STATE_AFTER_LOOK
		goto decide
#else
		goto look
#endif
	:: s == CLOSING -> over = true
	:: s == ERROR && final -> failed = true
	:: else ->
		(next < tail || state != s || epoch != e);
		goto look
	fi;
	assert(!over || next == tail);
	assert(!failed)
}

active proctype Judge()
{
	timeout;
	assert(next == tail)
}
