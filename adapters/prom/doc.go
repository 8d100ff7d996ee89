// Package prom is a collector for Prometheus of what a manager.Manager knows of its channels
// and tracked queues.
//
//	registry.MustRegister(prom.NewCollector(m, prom.Options{}))
//
// It is a module of its own, so that shmring does not depend on Prometheus. It keeps no
// goroutine: each scrape takes one snapshot. A channel that this process has not opened is
// looked at read-only, and has no series while it does not exist.
//
// # Channels
//
// What the segment says, of all processes. Label: channel. The counters begin anew with a
// channel that is made anew, and lag by up to 256 messages.
//
//	shmring_channel_depth_slots              gauge     slots in use
//	shmring_channel_capacity_slots           gauge     slots of the ring
//	shmring_channel_arena_used_bytes         gauge     bytes of the arena in use
//	shmring_channel_arena_capacity_bytes     gauge     bytes of the arena; 0: none
//	shmring_channel_senders                  gauge     senders that live
//	shmring_channel_receivers                gauge     receivers that live: 0 or 1
//	shmring_channel_logged_deaths            gauge     deaths in the log, which holds the last 16
//	shmring_channel_mapped_bytes             gauge     bytes of the segment, if it is open here
//	shmring_channel_state                    gauge     1 for its state (label state), else 0
//	shmring_channel_sent_messages_total      counter   messages accepted
//	shmring_channel_sent_bytes_total         counter   their bytes
//	shmring_channel_received_messages_total  counter   messages released
//	shmring_channel_received_bytes_total     counter   their bytes
//	shmring_channel_holes_total              counter   slots that the dead had not filled
//	shmring_channel_aborted_slots_total      counter   slots given back unsent
//	shmring_channel_discarded_messages_total counter   messages discarded by a forced close
//	shmring_channel_corrupt_words_total      counter   impossible words found
//
// # Health
//
// The judgement of Manager.Health. Label: channel, or queue for tracked ones.
//
//	shmring_channel_health                   gauge     0 well, 1 degraded, 2 unhealthy, 3 unknown
//	shmring_channel_full_in_seconds          gauge     until it is full at this rate; +Inf: never
//	shmring_channel_full_for_seconds         gauge     for how long a sender has waited for room
//	shmring_channel_oldest_wait_seconds      gauge     how long the receiver has let messages lie
//	shmring_channel_stuck_participants       gauge     who live and hold others up
//	shmring_channel_dead_participants        gauge     who died without a successor
//	shmring_queue_health                     gauge     as for channels
//
// The numbers are the exit codes of shmctl health. A trend needs two scrapes.
//
// # Operations
//
// What went through this Manager. Labels: channel, op (open, send, recv, drain, close,
// recover).
//
//	shmring_operation_duration_seconds       histogram how long they took, waits included
//	shmring_operation_errors_total           counter   failures, but for the end of a channel
//	shmring_operation_retries_total          counter   attempts after the first
//	shmring_operation_messages_total         counter   messages that they moved
//
// # Tracked queues
//
// What the functions given to Manager.Track say. Label: queue.
//
//	shmring_queue_depth_items                gauge     items in it
//	shmring_queue_capacity_items             gauge     items it has room for; 0: no limit
//	shmring_queue_in_items_total             counter   items put in
//	shmring_queue_out_items_total            counter   items taken out
package prom
