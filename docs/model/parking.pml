/* One thread that sleeps for several: futex.Park, its tickets and its kick.
 *
 * Two sleepers, each with a word of its own, give tickets to a parker, which sleeps on all
 * words and on its kick at once; two signallers change a word and wake. The parker lists its
 * tickets and the value of its kick under the mutex; who comes later adds its ticket and kicks
 * under the mutex too; a parker without tickets ends under it. The kernel compares all words
 * and queues in one step. One signal may depend on the other sleeper having gone on; parkers end
 * and begin anew. Shown: every sleeper wakes.
 *
 * run: clean
 * run: deadlock -DNO_KICK
 * run: deadlock -DKICK_LATE
 * run: deadlock -DENDS_UNLOCKED
 * run: deadlock -DONE_LISTED
 *
 * NO_KICK: a newcomer waits for the parker to wake by itself.
 * KICK_LATE: the parker reads its kick after it has listed the tickets and let the mutex go; a
 *   newcomer in between is neither listed nor heard.
 * ENDS_UNLOCKED: the parker sees that it has no tickets, and is taken off the list later; a
 *   newcomer gives its ticket to one that is gone.
 * ONE_LISTED: the parker sleeps on the word of its first ticket only.
 */
#define SLEEPERS 2
#define ROUNDS 1

byte word[SLEEPERS], val[SLEEPERS];      /* the futex words; what each sleeper sampled */
byte want[SLEEPERS];                     /* how often its condition came true */
bool ticket[SLEEPERS];                   /* given and not yet ended */
bool mutex;
bool parker;                             /* there is one in the list */
byte parkers;                            /* that run */
byte kick;
bool asleep, hears[SLEEPERS], hearsKick; /* the thread in the kernel, and on what it is queued */
byte over;

inline lock() { atomic { !mutex -> mutex = true } }
inline unlock() { mutex = false }

proctype Parker()
{
	byte k, v[SLEEPERS];
	bool listed[SLEEPERS];

	do
	:: 	lock();
		atomic {
			listed[0] = ticket[0]; v[0] = val[0];
			listed[1] = ticket[1]; v[1] = val[1];
#ifdef ONE_LISTED
			if :: listed[0] -> listed[1] = false :: else fi;
#endif
#ifndef KICK_LATE
			k = kick
#endif
		};
		if
		:: !listed[0] && !listed[1] ->
#ifdef ENDS_UNLOCKED
			unlock();
			parker = false;
#else
			parker = false;
			unlock();
#endif
			break
		:: else
		fi;
		unlock();
#ifdef KICK_LATE
		k = kick;
#endif
		/* the kernel compares and queues in one step */
		atomic {
			if
			:: kick == k && (!listed[0] || word[0] == v[0]) && (!listed[1] || word[1] == v[1]) ->
				asleep = true;
				hears[0] = listed[0]; hears[1] = listed[1]; hearsKick = true
			:: else
			fi
		};
		atomic { !asleep -> hears[0] = false; hears[1] = false; hearsKick = false };
		/* settle: whose word changed */
		lock();
		atomic {
			if :: ticket[0] && word[0] != val[0] -> ticket[0] = false :: else fi;
			if :: ticket[1] && word[1] != val[1] -> ticket[1] = false :: else fi
		};
		unlock()
	od;
	parkers--
}

active [SLEEPERS] proctype Sleeper()
{
	byte me = _pid, got;

	do
	:: got == ROUNDS -> break
	:: got < ROUNDS ->
		val[me] = word[me];                      /* the sample */
		if
		:: want[me] > got -> got++; goto next
		:: else
		fi;
		lock();
		ticket[me] = true;
		if
		:: !parker -> atomic { parker = true; parkers++; run Parker() }
		:: else ->
#ifndef NO_KICK
			kick++;
			atomic { if :: hearsKick -> asleep = false :: else fi };
#else
			skip
#endif
		fi;
		unlock();
		!ticket[me];
next:
		skip
	od;
	over++
}

active [SLEEPERS] proctype Signaller()
{
	byte you = _pid - SLEEPERS, n;

	/* maybe one comes only when somebody has gone on */
	if :: you == 0 -> over >= 1 :: skip fi;
	do
	:: n == ROUNDS -> break
	:: n < ROUNDS ->
		want[you]++;
		word[you]++;
		atomic { if :: hears[you] -> asleep = false :: else fi };
		n++
	od
}

active proctype Check()
{
	over == SLEEPERS;
	timeout;
	assert(parkers == 0 && !mutex)
}
