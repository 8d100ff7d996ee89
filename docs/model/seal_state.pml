/* Seal and state are two words; the control lock keeps them together.
 *
 * A recoverer takes the channel from ERROR back to ACTIVE (unseal, then state) while a data
 * path that found an impossible word wants it in ERROR (seal, then state). Rule: the data path
 * only raises the poison flag; whoever has the lock seals and changes the state. Shown: when
 * both are done, ERROR is sealed and ACTIVE is not.
 *
 * run: clean
 * run: assert -DNO_LOCK
 *
 * NO_LOCK: both write the words directly; a channel is left in ERROR that accepts, or in
 *   ACTIVE that refuses for ever.
 */
mtype = { ACTIVE, ERROR, RECOVERING };

mtype state = ERROR;
bool sealed = true, control;

inline lock()
{
#ifndef NO_LOCK
	atomic { !control -> control = true }
#else
	skip
#endif
}

inline unlock()
{
#ifndef NO_LOCK
	control = false
#else
	skip
#endif
}

active proctype Recoverer()
{
	lock();
	atomic { if :: state == ERROR -> state = RECOVERING :: else -> goto out fi };
	sealed = false;
	atomic { if :: state == RECOVERING -> state = ACTIVE :: else fi };
out:
	unlock()
}

active proctype Finder()
{
	lock();
	sealed = true;
	atomic { if :: state == ACTIVE -> state = ERROR :: else fi };
	unlock()
}

active proctype Judge()
{
	timeout;
	assert(!(state == ERROR && !sealed));
	assert(!(state == ACTIVE && sealed))
}
