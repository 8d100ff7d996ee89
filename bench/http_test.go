package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"shmring/internal/measure"
)

// HTTP over the loopback is how runners are asked today: a request, and its answer at once or
// as a stream of events (SSE), one a token, flushed one by one.

func BenchmarkHTTP(b *testing.B) { https().benchmark(b) }

func https() group {
	g := group{
		{"call/2KiB-for-1536B", httpCalls(2*kib, 1536), 20},
		{"call/32B-for-32B", httpCalls(smallSize, smallSize), 20},
		{"tokens/flat-out", httpTokens(0), 20},
	}
	for _, d := range []time.Duration{time.Millisecond, 4 * time.Millisecond} {
		g = append(g, benchCase{"tokens/" + every(d), httpTokens(d), 20})
	}
	return g
}

// An event is a token as servers of models send it.
type event struct {
	Number uint64 `json:"number"`
	Sent   int64  `json:"sent"`
	Text   string `json:"text"`
}

const tokenText = " token"

// serveHTTP starts a peer that serves on a socket of ours, and returns its address.
func (r *run) serveHTTP(j job) string {
	r.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.check(err)
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		r.Fatalf("listening on %T", l)
	}
	f, err := tcp.File()
	r.check(err)
	j.Kind = "http"
	r.peer(j, f)
	r.check(errors.Join(f.Close(), l.Close()))
	r.ready()
	return "http://" + l.Addr().String()
}

// httpCalls posts requests and reads their answers, one after the other over one connection.
func httpCalls(size, answer int) func(*run) {
	return func(r *run) {
		r.begin()
		r.size = size + answer
		at := r.serveHTTP(job{Answer: answer})
		client := &http.Client{}
		defer client.CloseIdleConnections()
		buf := make([]byte, size)
		post := func(n uint64) error {
			measure.Fill(buf, n, 0)
			resp, err := client.Post(at+"/answer", "application/octet-stream", bytes.NewReader(buf))
			if err != nil {
				return err
			}
			defer resp.Body.Close() //nolint:errcheck // it was read
			got, err := io.ReadAll(resp.Body)
			if err == nil && (len(got) != answer || !measure.Sound(got, n)) {
				err = wrong(got, n)
			}
			return err
		}
		r.phases(func(o order) error { return each(post)(o.From, o.To) })
		lat := measure.NewLatency()
		r.httpRun(lat, func(o order) error {
			last := measure.Now()
			for n := o.From; n < o.To; n++ {
				if err := post(n); err != nil {
					return err
				}
				now := measure.Now()
				lat.Record(now - last)
				last = now
			}
			return nil
		})
	}
}

// httpTokens reads a stream of events.
func httpTokens(every time.Duration) func(*run) {
	return func(r *run) {
		r.beginFor(time.Duration(r.n) * every)
		r.size = len(tokenText)
		at := r.serveHTTP(job{Plan: measure.Plan{Every: every}})
		client := &http.Client{}
		defer client.CloseIdleConnections()
		lat := measure.NewLatency()
		read := func(o order) error { return readEvents(client, at, o, every, lat) }
		r.phases(read)
		lat = measure.NewLatency()
		r.httpRun(lat, read)
	}
}

// phases lets both sides warm up.
func (r *run) phases(work func(o order) error) {
	r.Helper()
	warm := order{To: min(100, max(r.n, 1))}
	r.order(warm)
	r.check(work(warm))
	r.answers()
}

// httpRun is what is measured.
func (r *run) httpRun(lat *measure.Latency, work func(o order) error) {
	r.Helper()
	o := order{From: 1000, To: 1000 + r.n, Start: measure.Now() + int64(leadTime)}
	r.order(o)
	before := measure.Spent(nil)
	measure.SleepUntil(o.Start)
	r.start()
	err := work(o)
	r.took = time.Duration(measure.Now() - o.Start)
	r.stop()
	r.check(err)
	r.load(measure.Spent(nil).Minus(before).Plus(r.answers()))
	r.latency("", lat)
	r.dismiss()
}

// readEvents reads the events of an order.
func readEvents(
	client *http.Client, at string, o order, every time.Duration, lat *measure.Latency,
) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	resp, err := client.Get(at + "/tokens?order=" + url.QueryEscape(string(text)))
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	plan := measure.Plan{Every: every, Start: o.Start}
	lines := bufio.NewScanner(resp.Body)
	next := o.From
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return err
		}
		if plan.Paced() && o.Start != 0 {
			lat.Record(measure.Now() - plan.Due(next-o.From))
		}
		if e.Number != next || e.Text != tokenText {
			return fmt.Errorf("event %d expected, got %s", next, data)
		}
		next++
	}
	if next != o.To {
		return fmt.Errorf("the stream ended before event %d of %d", next, o.To)
	}
	return lines.Err()
}

// httpPeer is the runner's server.
func httpPeer(p *peer) error {
	f := os.NewFile(firstFD, "listener")
	l, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	done := make(chan struct{}, 1)
	left := make(chan uint64, 1) // answers to give before the order is carried out
	mux := http.NewServeMux()
	mux.HandleFunc("POST /answer", func(w http.ResponseWriter, req *http.Request) {
		p.httpAnswer(w, req)
		if n := <-left - 1; n > 0 {
			left <- n
		} else {
			done <- struct{}{}
		}
	})
	mux.HandleFunc("GET /tokens", func(w http.ResponseWriter, req *http.Request) {
		p.httpTokens(w, req)
		done <- struct{}{}
	})
	server := &http.Server{Handler: mux}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	err = p.obey(func(o order) error {
		if p.Answer > 0 {
			left <- o.To - o.From
		}
		<-done
		return nil
	}, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.Shutdown(ctx) // the process ends
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// httpAnswer answers a request with a message of the same number.
func (p *peer) httpAnswer(w http.ResponseWriter, req *http.Request) {
	got, err := io.ReadAll(req.Body)
	n, _ := measure.Peek(got)
	if err != nil || !measure.Sound(got, n) {
		http.Error(w, "not what was sent", http.StatusBadRequest)
		return
	}
	answer := make([]byte, p.Answer)
	measure.Fill(answer, n, 0)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer) // who asked sees what is missing
}

// httpTokens streams the events of an order.
func (p *peer) httpTokens(w http.ResponseWriter, req *http.Request) {
	var o order
	if err := json.Unmarshal([]byte(req.FormValue("order")), &o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	s := p.stretch(o)
	for n := s.from; n < s.to; n++ {
		s.plan.Await(n - s.from)
		text, err := json.Marshal(event{Number: n, Sent: measure.Now(), Text: tokenText})
		if err == nil {
			_, err = fmt.Fprintf(w, "data: %s\n\n", text)
		}
		if err := errors.Join(err, flush.Flush()); err != nil {
			return
		}
	}
}
