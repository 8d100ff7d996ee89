/* Two goroutines of one place sleep on one event and share its waiting bit.
 *
 * They wait for different things: the first for one publication, the second for two. The
 * process counts its sleepers under a mutex of its own, so the bit is set by the first who
 * enters and cleared by the last who leaves. Shown: both wake up.
 *
 * run: clean
 * run: deadlock -DUNCOUNTED
 *
 * UNCOUNTED: whoever wakes up clears the bit, and the other sleeps on unseen.
 */
byte published, sequence, sleepers;
bool mark, mutex, asleep[2];

inline enter()
{
#ifdef UNCOUNTED
	mark = true
#else
	atomic { !mutex -> mutex = true };
	sleepers++;
	mark = true;
	mutex = false
#endif
}

inline leave()
{
#ifdef UNCOUNTED
	mark = false
#else
	atomic { !mutex -> mutex = true };
	sleepers--;
	if :: sleepers == 0 -> mark = false :: else fi;
	mutex = false
#endif
}

active [2] proctype Waiter()
{
	byte seen, me = _pid;

	do
	:: published > me -> break
	:: else ->
		enter();
		seen = sequence;
		if
		:: published > me
		:: else ->
			atomic { if :: sequence == seen -> asleep[me] = true :: else fi };
			!asleep[me]
		fi;
		leave()
	od
}

active proctype Waker()
{
	byte i;

	do
	:: i < 2 ->
		published++;
		if
		:: mark -> sequence++; atomic { asleep[0] = false; asleep[1] = false }
		:: else
		fi;
		i++
	:: else -> break
	od
}
