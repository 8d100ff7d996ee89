/* Controllers that are killed half-way, and who completes their work.
 *
 * A closer seals (seal, then state), a recoverer brings ERROR back to ACTIVE (clear the
 * poison, unseal, state), a finder raises the poison flag, the receiver moves DRAINING to
 * CLOSING without a lock, and two helpers repair under the control lock what they find. Closer,
 * recoverer and the first helper are killed anywhere; the kernel then frees the lock. Shown:
 * only ACTIVE and RECOVERING are ever unsealed; in the end nobody is between two states, the
 * seal belongs to the state, damage that was found stops the channel, and nothing is drained
 * that nobody wanted drained.
 *
 * run: clean
 * run: clean -DBROKEN
 * run: clean -DBROKEN -DTWO
 * run: assert -DSTATE_BEFORE_SEAL
 * run: assert -DBROKEN -DSTATE_BEFORE_UNSEAL
 * run: assert -DBROKEN -DPOISON_AFTER_UNSEAL
 * run: assert -DBROKEN -DNO_LOCK
 * run: assert -DNO_HELP
 *
 * TWO: a second recoverer, killed anywhere as well.
 * BROKEN: the channel begins in ERROR, else in ACTIVE.
 * STATE_BEFORE_SEAL: a receiver in DRAINING takes an unsealed ring at its tail for the end.
 * STATE_BEFORE_UNSEAL: a recoverer killed in between looks like a closer killed in between, and
 *   is completed as one.
 * POISON_AFTER_UNSEAL: damage found in the first messages after a recovery is forgotten.
 * NO_LOCK: helpers do not take the lock; they complete what its living holder is about to do.
 * NO_HELP: nobody completes.
 */
#define ACTIVE 1
#define DRAINING 2
#define CLOSING 3
#define ERROR 5
#define RECOVERING 6

#define CLOSER 0
#define RECOVERER 1
#define HELPER 2
#define HELPER2 3
#define RECOVERER2 4
#define NOBODY 9

#ifdef BROKEN
byte state = ERROR;
bool sealed = true, poison = true;
#else
byte state = ACTIVE;
bool sealed, poison;
#endif
byte control = NOBODY;
bool kill[5], gone[5];
bool wanted, found;              /* ghosts: a closer began; damage was found while it ran */

inline lock(me) { atomic { control == NOBODY -> control = me } }

inline move(from, to)
{
	atomic { if :: state == from -> state = to :: else fi }
}

inline repairLocked()
{
	do
	:: atomic { poison && state != ERROR -> s = state };
		sealed = true;
		move(s, ERROR)
	:: atomic { !poison && state == ACTIVE && sealed -> skip };
		move(ACTIVE, DRAINING)
	:: atomic { !poison && state == RECOVERING && !sealed -> skip };
		move(RECOVERING, ACTIVE)
	:: atomic { !poison && state == RECOVERING && sealed -> skip };
		move(RECOVERING, ERROR)
	:: atomic { (state == DRAINING || state == CLOSING || state == ERROR) && !sealed -> skip };
		sealed = true
	:: atomic { else -> break }
	od
}

inline died(me)
{
	atomic {
		if :: control == me -> control = NOBODY :: else fi;
		gone[me] = true
	}
}

active proctype Closer()
{
	byte s;

	{
		lock(CLOSER);
		repairLocked();
		if
		:: state == ACTIVE ->
			wanted = true;
#ifdef STATE_BEFORE_SEAL
			move(ACTIVE, DRAINING);
			sealed = true
#else
			sealed = true;
			move(ACTIVE, DRAINING)
#endif
		:: else
		fi;
		control = NOBODY;
		gone[CLOSER] = true
	} unless { kill[CLOSER] -> died(CLOSER) }
}

proctype Recoverer(byte me)
{
	byte s;

	{
		lock(me);
		repairLocked();
		if
		:: state == ERROR ->
			move(ERROR, RECOVERING);
#ifdef POISON_AFTER_UNSEAL
			sealed = false;
			poison = false;
#else
			atomic { poison = false; found = false };        /* it was scrubbed */
#endif
#ifdef STATE_BEFORE_UNSEAL
			move(RECOVERING, ACTIVE);
			sealed = false
#else
#ifndef POISON_AFTER_UNSEAL
			sealed = false;
#endif
			move(RECOVERING, ACTIVE)
#endif
		:: else
		fi;
		control = NOBODY;
		gone[me] = true
	} unless { kill[me] -> died(me) }
}

init
{
	atomic {
		run Recoverer(RECOVERER);
#ifdef TWO
		run Recoverer(RECOVERER2)
#else
		gone[RECOVERER2] = true
#endif
	}
}

/* Somebody who meets an impossible word in a running channel. */
active proctype Finder()
{
	if
	:: atomic { !sealed -> poison = true; found = true }
	:: skip
	fi
}

active proctype Receiver()
{
	if :: move(DRAINING, CLOSING) :: skip fi
}

#ifdef NO_LOCK
#define TRY(me) true
#else
#define TRY(me) control == NOBODY -> control = me
#endif

active proctype Helper()
{
	byte s;

	{
		atomic { if :: TRY(HELPER) :: else -> goto out fi };
		repairLocked();
		if :: control == HELPER -> control = NOBODY :: else fi;
out:
		gone[HELPER] = true
	} unless { kill[HELPER] -> died(HELPER) }
}

/* The look that follows the last death and the last change. */
active proctype Helper2()
{
	byte s;

	(gone[CLOSER] && gone[RECOVERER] && gone[RECOVERER2] && gone[HELPER]);
	timeout;
#ifndef NO_HELP
	repairLocked();
#endif
	assert(control == NOBODY);
	assert(state != RECOVERING);
	assert(sealed == (state != ACTIVE));
	assert(!found || state == ERROR);
	assert(state == ACTIVE || state == ERROR || wanted)
}

active proctype Killer()
{
	if :: kill[CLOSER] = true :: skip fi;
	if :: kill[RECOVERER] = true :: skip fi;
	if :: kill[RECOVERER2] = true :: skip fi;
	if :: kill[HELPER] = true :: skip fi
}

/* at any instant */
active proctype Watcher()
{
	assert(sealed || state == ACTIVE || state == RECOVERING)
}
