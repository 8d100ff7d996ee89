package channel_test

import (
	"context"
	"os"
	"time"

	"shmring/channel"
	"shmring/internal/layout"
)

var observerCalls = callTable{
	"Channel.Stats": func(p *party, _ context.Context) error {
		s := p.ch.Stats()
		if s.Depth > s.Slots || s.ArenaUsed > s.ArenaBytes || len(s.Deaths) > layout.DeathCount {
			p.h.fail("Stats: %+v", s)
		}
		return nil
	},
	"Channel.Participants": func(p *party, _ context.Context) error {
		if n := len(p.ch.Participants()); n > p.ch.Options().MaxParticipants {
			p.h.fail("%d participants", n)
		}
		return nil
	},
	"Channel.History": func(p *party, _ context.Context) error { p.ch.History(); return nil },
	"Channel.Reason":  func(p *party, _ context.Context) error { _ = p.ch.Reason(); return nil },
	"Channel.State": func(p *party, _ context.Context) error {
		_ = p.ch.State().String()
		return nil
	},
	"Channel.Watch": func(p *party, ctx context.Context) error {
		return yielded(p.ch.Watch(ctx), func(c channel.Change) bool {
			_ = c.Kind.String()
			return p.below(20) != 0
		})
	},
	"Channel.Options": func(p *party, _ context.Context) error { p.ch.Options(); return nil },
	"Channel.Dependencies": func(p *party, _ context.Context) error {
		if n := len(p.ch.Dependencies()); n > channel.MaxDependencies {
			p.h.fail("%d dependencies", n)
		}
		return nil
	},
	"Channel.Plan": func(p *party, _ context.Context) error { p.ch.Plan(); return nil },
	"Channel.Instance": func(p *party, _ context.Context) error {
		p.ch.Instance()
		p.ch.MaxMessage()
		p.ch.Replaced()
		_, _ = p.ch.Name(), p.ch.Path()
		return nil
	},
	"Channel.File": func(p *party, _ context.Context) error {
		f, err := p.ch.File()
		if err != nil {
			return err
		}
		return openHanded(p, f)
	},
}

// openHanded opens a channel by its file, and closes it.
func openHanded(p *party, f *os.File) error {
	ch, err := channel.OpenFile(f, channel.OpenOptions{ReadOnly: p.below(2) == 0})
	if err != nil {
		return err
	}
	return ch.Close()
}

var controllerCalls = callTable{
	"Channel.Seal": func(p *party, _ context.Context) error {
		if p.below(4) != 0 { // the end of a round, more or less
			return nil
		}
		return p.ch.Seal("a reason")
	},
	"Channel.Announce": func(p *party, ctx context.Context) error {
		return p.ch.Announce(ctx, "a plan", time.Now())
	},
	"Channel.Withdraw": func(p *party, ctx context.Context) error { return p.ch.Withdraw(ctx) },
	"Channel.DependOn": func(p *party, ctx context.Context) error {
		other, err := channel.OpenOrCreate(ctx, "other", channel.Options{Slots: 1})
		if err != nil {
			return err
		}
		err = p.ch.DependOn(ctx, other)
		if cerr := other.Close(); err == nil {
			err = cerr
		}
		return err
	},
	"Channel.Independ": func(p *party, ctx context.Context) error {
		return p.ch.Independ(ctx, "other")
	},
	"Channel.Drain": func(p *party, ctx context.Context) error {
		return p.ch.Drain(ctx, func(channel.Progress) {})
	},
	"Channel.Recover": func(p *party, ctx context.Context) error {
		_, err := p.ch.Recover(ctx)
		return err
	},
	"Channel.Evict": func(p *party, ctx context.Context) error {
		pid := os.Getpid() // the rows may name anybody; these two may not be killed
		if p.below(2) == 0 {
			pid = 1 << 30
		}
		r, err := p.ch.Evict(ctx, pid)
		if r.Killed != 0 {
			p.h.fail("pid %d was killed", r.Killed)
		}
		return err
	},
	"Channel.Shutdown": func(p *party, ctx context.Context) error {
		if p.below(8) != 0 {
			return nil
		}
		_, err := p.ch.Shutdown(ctx, channel.ShutdownOptions{
			AtDeadline: channel.Policy(p.below(3)),
			Discarded:  func(b []byte) { p.inPlace(p.ch, b) },
			Progress:   func(channel.Progress) {},
		})
		return err
	},
}

var eventCalls = callTable{
	"Event.Signal": func(p *party, _ context.Context) error {
		_, err := p.ev.Signal(make([]byte, p.below(channel.MaxEventValue)))
		return err
	},
	"Event.Load": func(p *party, _ context.Context) error {
		_, value, err := p.ev.Load()
		if len(value) > channel.MaxEventValue {
			p.h.fail("an event's value of %d bytes", len(value))
		}
		return err
	},
	"Event.Wait": func(p *party, ctx context.Context) error {
		_, value, err := p.ev.Wait(ctx, p.rnd.Uint64())
		if len(value) > channel.MaxEventValue {
			p.h.fail("an event's value of %d bytes", len(value))
		}
		return err
	},
	"Event.After": func(p *party, ctx context.Context) error {
		_, err := channel.Wait(ctx, p.ev.After(p.rnd.Uint64()))
		return err
	},
	"Event.File": func(p *party, _ context.Context) error {
		f, err := p.ev.File()
		if err != nil {
			return err
		}
		ev, err := channel.OpenEventFile(f, channel.OpenOptions{ReadOnly: p.below(2) == 0})
		if err != nil {
			return err
		}
		return ev.Close()
	},
	"Event.Participants": func(p *party, _ context.Context) error {
		p.ev.Participants()
		return nil
	},
	"Event.Instance": func(p *party, _ context.Context) error {
		p.ev.Instance()
		_, _, _ = p.ev.Name(), p.ev.Path(), p.ev.Replaced()
		return nil
	},
}

var openCalls = callTable{
	"OpenOrCreate": func(p *party, ctx context.Context) error {
		ch, err := channel.OpenOrCreate(ctx, "q", p.h.opts)
		if err != nil {
			return err
		}
		return ch.Close()
	},
	"OpenOrCreateEvent": func(p *party, ctx context.Context) error {
		e, err := channel.OpenOrCreateEvent(ctx, "e", channel.EventOptions{MaxParticipants: 8})
		if err != nil {
			return err
		}
		return e.Close()
	},
	"Create": func(p *party, ctx context.Context) error {
		ch, err := channel.Create(ctx, "q", p.h.opts)
		if err != nil {
			return err
		}
		return ch.Close()
	},
	"CreateEvent": func(_ *party, ctx context.Context) error {
		e, err := channel.CreateEvent(ctx, "e", channel.EventOptions{})
		if err != nil {
			return err
		}
		return e.Close()
	},
	"List": func(*party, context.Context) error {
		_, err := channel.List("")
		return err
	},
	"Remove": func(p *party, ctx context.Context) error {
		return channel.Remove(ctx, "q", channel.RemoveOptions{Unread: p.below(2) == 0})
	},
}
