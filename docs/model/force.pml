/* A forced close, and what it can say about the messages that it gives up.
 *
 * Two senders have reserved a slot each before the seal; their commits and a forced close come
 * in any order. Receiver or closer, whoever holds the receiver's byte, counts the full slots and
 * moves head to tail. Shown: what is counted was committed and not received, and nothing is
 * counted twice by the living. Not shown, because it is not so: that every Send which returned
 * nil is counted. A sender between its reservation and its commit in the instant of the count
 * is told nil, and its message is in no count.
 *
 * run: clean
 * run: assert -DCOUNTS_ALL
 *
 * COUNTS_ALL: what a forced close does not promise.
 */
#define TAIL 2

bool committed[TAIL], received[TAIL];
bool forced, holder;
byte head, counted, acked, got;

active [TAIL] proctype Sender()
{
	committed[_pid] = true;
	acked++
}

inline discard()
{
	i = head;
	do
	:: i < TAIL -> if :: committed[i] -> counted++ :: else fi; i++
	:: i == TAIL -> break
	od;
	head = TAIL
}

active proctype Receiver()
{
	byte i;

	atomic { if :: !holder -> holder = true :: else -> goto out fi };
	do
	:: forced -> break
	:: !forced && head < TAIL && committed[head] -> received[head] = true; got++; head++
	:: !forced && head == TAIL -> break
	od;
	if :: forced && head < TAIL -> discard() :: else fi;
	holder = false;
out:
	skip
}

active proctype Closer()
{
	byte i;

	forced = true;
	atomic { !holder -> holder = true };
	if :: head < TAIL -> discard() :: else fi;
	holder = false
}

active proctype Judge()
{
	timeout;
	assert(head == TAIL);
	assert(got + counted <= acked);
#ifdef COUNTS_ALL
	assert(got + counted == acked)
#endif
}
