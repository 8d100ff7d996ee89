// Package ring is the lock-free queue of one channel: slots of a fixed size, an arena
// for payloads that do not fit one, and two words that say how far everybody is. It
// runs over memory that it is given, a mapping or the Go heap, and knows no files,
// names or processes: who lives it is told.
//
//	tail  [seal:1][slot position][arena position]   producers, by CAS
//	head  [0     ][slot position][arena position]   the consumer, by store
//	slot  [commit word][payload, or a reference into the arena]
//
// A Producer shows its intent, claims slots by one CAS of tail, fills them and stores
// their commit words. The Consumer polls the commit word of its own next slot and hands
// out the payload in place. Slots claimed by a producer that died are skipped by the
// rule of Consumer.Skip. One bit of tail seals the ring: the CAS of a claim fails on
// it, so that one instant parts what was accepted from what was refused.
//
// The order of every two accesses matters. docs/PROTOCOL.md gives the reasons, docs/model
// the models that check them. Concurrency: a Ring may be shared; a Producer belongs to
// one place and one goroutine at a time, the Consumer likewise.
package ring
