package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// mostReasons is how many channels the first line of health tells of.
const mostReasons = 3

func checkWord(code int) string {
	return [...]string{
		checkOK: "OK", checkWarning: "WARNING", checkCritical: "CRITICAL", checkUnknown: "UNKNOWN",
	}[code]
}

// plain takes out of a text what means something in the output of a plugin: the bar, behind
// which are figures, and the end of the line.
func plain(text string) string {
	return strings.NewReplacer("|", "/", "\n", "; ", "\r", " ").Replace(text)
}

// healthText is the output of a plugin: a line for all, with the depths behind the bar, and
// a line for each channel. The channels are sorted, the worst first.
func healthText(code int, found []checked) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CHANNELS %s - %s", checkWord(code), healthSummary(found))
	bar := " | "
	for _, c := range byName(found) {
		if c.Slots > 0 {
			fmt.Fprintf(&b, "%s%s=%d;;;0;%d", bar, c.Name, c.Depth, c.Slots)
			bar = " "
		}
	}
	b.WriteByte('\n')
	for _, c := range found {
		text := strings.Join(c.reasons(), "; ")
		if text == "" {
			text = fmt.Sprintf("%s, %d of %d slots in use, senders %d, receivers %d", c.State,
				c.Depth, c.Slots, c.Senders, c.Receivers)
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", c.Name, c.status(), plain(text))
	}
	return b.String()
}

// healthSummary says how many of all are how, and why the worst ones are.
func healthSummary(found []checked) string {
	if len(found) == 0 {
		return "no channels"
	}
	count := make(map[string]int)
	var words, whys []string
	bad := 0
	for _, c := range found {
		if c.code() == checkOK {
			continue
		}
		bad++
		if count[c.status()]++; count[c.status()] == 1 {
			words = append(words, c.status())
		}
		if len(whys) < mostReasons {
			whys = append(whys, c.Name+": "+plain(strings.Join(c.reasons(), ", ")))
		}
	}
	if bad == 0 {
		return fmt.Sprintf("%d healthy", len(found))
	}
	text := ""
	for i, word := range words {
		if i == 0 {
			text = fmt.Sprintf("%d of %d %s", count[word], len(found), word)
		} else {
			text += fmt.Sprintf(", %d %s", count[word], word)
		}
	}
	text += ": " + strings.Join(whys, "; ")
	if bad > len(whys) {
		text += fmt.Sprintf("; and %d more", bad-len(whys))
	}
	return text
}

func byName(found []checked) []checked {
	return slices.SortedFunc(slices.Values(found), func(a, b checked) int {
		return strings.Compare(a.Name, b.Name)
	})
}

// healthJSON is what health --json prints.
type healthJSON struct {
	Status   string          `json:"status" doc:"OK, WARNING, CRITICAL, UNKNOWN"`
	Code     int             `json:"code" doc:"the exit code"`
	Channels []channelHealth `json:"channels" doc:"by name"`
}

// channelHealth is one channel of it. What was not found out is zero.
type channelHealth struct {
	Name         string    `json:"name"`
	Status       string    `json:"status" doc:"healthy, degraded, unhealthy, unknown"`
	Reasons      []string  `json:"reasons" doc:"in words, the worst first"`
	State        string    `json:"state" doc:"empty if unknown"`
	At           time.Time `json:"at" doc:"when it was looked at"`
	Depth        uint64    `json:"depth" doc:"slots in use"`
	Slots        uint64    `json:"slots" doc:"of the ring"`
	Growth       float64   `json:"growth" doc:"slots a second, over the looks"`
	FullInNs     int64     `json:"full_in_ns" doc:"if it goes on so; 0: it will not be"`
	FullForNs    int64     `json:"full_for_ns" doc:"for so long a sender has waited for room"`
	OldestWaitNs int64     `json:"oldest_wait_ns" doc:"for so long a receiver has let messages lie"`
	Senders      int       `json:"senders" doc:"living"`
	Receivers    int       `json:"receivers" doc:"living"`
	Dead         []string  `json:"dead" doc:"without a successor, in words"`
	Stuck        []string  `json:"stuck" doc:"living, and holding others up, in words"`
}

func newHealthJSON(code int, found []checked) healthJSON {
	j := healthJSON{Status: checkWord(code), Code: code, Channels: []channelHealth{}}
	for _, c := range byName(found) {
		one := channelHealth{
			Name: c.Name, Status: c.status(), Reasons: list(c.reasons()), At: c.At.UTC(),
			Depth: c.Depth, Slots: c.Slots, Growth: c.Growth, FullInNs: int64(c.FullIn),
			FullForNs: int64(c.FullFor), OldestWaitNs: int64(c.OldestWait), Senders: c.Senders,
			Receivers: c.Receivers, Dead: list(c.Dead), Stuck: list(c.Stuck),
		}
		if c.State != 0 {
			one.State = c.State.String()
		}
		j.Channels = append(j.Channels, one)
	}
	return j
}

// list is a list in JSON also if it is empty.
func list(texts []string) []string { return append([]string{}, texts...) }
