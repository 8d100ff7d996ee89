/* In which order the commit words of a batch are written, and what a killed batch may leave.
 *
 * A sender reserves three slots with one CAS and commits them: all but the first, the first
 * last. The receiver takes slots in order and skips those a dead sender left. Shown: whoever
 * finds the first slot committed finds the whole batch committed, so a batch costs one
 * look-up and one wake-up; and what is delivered is in order.
 *
 * run: clean
 * run: assert -DFIRST_FIRST
 * run: assert -DWHOLE_OR_NOTHING
 *
 * FIRST_FIRST: words written in their order; the receiver comes in the middle of it.
 * WHOLE_OR_NOTHING: what a batch does not promise. Killed between the words, it delivers a
 *   later part and not the first one.
 */
#define N 3

byte tail, word[N];      /* word: 0 not committed, 1 full, 2 aborted */
bool kill, dead, over;
byte got;

active proctype Sender()
{
	{
		tail = N;
#ifdef FIRST_FIRST
		word[0] = 1; word[1] = 1; word[2] = 1;
#else
		word[1] = 1; word[2] = 1; word[0] = 1;
#endif
		over = true
	} unless { kill -> dead = true }
}

active proctype Killer()
{
	if :: kill = true :: skip fi
}

active proctype Receiver()
{
	byte h;

	(tail > 0 || dead);
	do
	:: h == tail -> break
	:: h < tail && word[h] == 1 ->
		assert(h != 0 || (word[1] == 1 && word[2] == 1));
		got++;
		h++
	:: h < tail && word[h] == 0 && dead ->
		atomic { if :: word[h] == 0 -> word[h] = 2 :: else fi };
		if :: word[h] == 2 -> h++ :: else fi
	od;
#ifdef WHOLE_OR_NOTHING
	assert(got == 0 || got == N)
#else
	assert(!over || tail == 0 || got == N)
#endif
}
