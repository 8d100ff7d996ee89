package server

import (
	"encoding/binary"
	"math"
	"net/http"
	"strconv"
	"strings"

	"shmring/examples/runner/engine"
	"shmring/examples/runner/ngram"
)

// embedding is the body of POST /v1/embeddings.
type embedding struct {
	Input      string `json:"input"`
	Dimensions int    `json:"dimensions"`
}

// embeddings answers with the embedding of a text: as JSON, or, if the client accepts
// application/octet-stream, as the little-endian float32s that the runner wrote.
func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) {
	var body embedding
	id := s.request(w, r, &body)
	if id == 0 {
		return
	}
	most := s.MaxDimensions
	if most == 0 {
		most = ngram.DefaultDimensions
	}
	if body.Dimensions == 0 {
		body.Dimensions = min(most, ngram.DefaultDimensions)
	}
	if body.Dimensions < 0 || body.Dimensions > most {
		fail(w, http.StatusBadRequest, "bad_request",
			"dimensions must be from 1 to "+strconv.Itoa(most))
		return
	}
	raw := strings.Contains(r.Header.Get("Accept"), "application/octet-stream")
	request := engine.Request{ID: id, Prompt: body.Input, Dimensions: body.Dimensions}
	begun := false
	err := s.transport.Embed(r.Context(), request, func(b []byte) error {
		begun = true
		if raw {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", strconv.Itoa(len(b)))
			_, err := w.Write(b) // straight from where it lies
			return err
		}
		reply(w, http.StatusOK, answer(b))
		return nil
	})
	s.metrics.ended(err)
	if err != nil && !begun {
		code, kind := classify(err)
		fail(w, code, kind, err.Error())
	}
}

func answer(b []byte) any {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return map[string]any{
		"object": "list",
		"data":   []map[string]any{{"object": "embedding", "index": 0, "embedding": v}},
	}
}
