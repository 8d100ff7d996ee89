/* When a receiver may report the end of a sealed channel.
 *
 * Two acknowledged messages lie in a sealed ring. The receiver holds what it receives and
 * releases it only after the end (as a loop does that collects before it writes). It may be
 * killed in between; then a successor starts at the published head. Rule: the end is reported
 * when the receiver's own next position is tail, and CLOSING without the forced bit still
 * delivers what lies above head to a successor. Shown: every message is processed, and nobody
 * waits for himself.
 *
 * run: clean
 * run: assert -DCLOSING_DISCARDS
 * run: deadlock -DEND_AT_HEAD
 *
 * CLOSING_DISCARDS: a successor that finds CLOSING takes the rest for discarded.
 * END_AT_HEAD: the end needs everything released; the receiver would have to release what it
 *   gets to release only after the end.
 */
#define TAIL 2

byte head;
bool closing, over, processed[TAIL];

proctype Receiver(bool mortal)
{
	byte position = head, held;

	do
	:: position < TAIL ->
#ifdef CLOSING_DISCARDS
		if :: closing -> break :: else fi;
#endif
		held++;
		position++
	:: position == TAIL ->
#ifdef END_AT_HEAD
		held == 0 -> head = position;
#endif
		closing = true;
		break
	od;
	do
	:: held > 0 ->
		if :: mortal -> goto killed :: skip fi;
		processed[position - held] = true;
		held--;
		head = position - held
	:: held == 0 -> break
	od;
	over = true;
	goto out;
killed:
	run Receiver(false);
out:
	skip
}

init
{
	run Receiver(true);
	over;
	assert(processed[0] && processed[1])
}
