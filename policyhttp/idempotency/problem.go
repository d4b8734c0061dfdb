package idempotency

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A Problem is why a request was not served.
type Problem struct {
	// Status is 400 for a key that is malformed or missing, 409 while the
	// first request of the key is being served or when its answer was too long
	// to keep, 413 for a body that is too long, 422 for a key that another
	// request has, and 503 when the Store failed.
	Status int
	// Detail tells the client what is wrong. Empty where that is not its
	// business.
	Detail string
	// RetryAfter is when the same request may do better; zero when it will not.
	RetryAfter time.Duration
	// Err is what failed, if anything did.
	Err error
}

func (p *Problem) Error() string {
	text := fmt.Sprintf("idempotency: status %d", p.Status)
	if p.Detail != "" {
		text += ": " + p.Detail
	}
	if p.Err != nil {
		text += ": " + p.Err.Error()
	}
	return text
}

// Unwrap returns what failed.
func (p *Problem) Unwrap() error { return p.Err }

var (
	errMissing = &Problem{Status: http.StatusBadRequest, Detail: "This request needs an Idempotency-Key."}
	errRunning = &Problem{Status: http.StatusConflict, RetryAfter: time.Second,
		Detail: "A request with this Idempotency-Key is being served."}
	errReused = &Problem{Status: http.StatusUnprocessableEntity,
		Detail: "Another request has had this Idempotency-Key: its method, host, path, content type or body differed."}
	errLost = &Problem{Status: http.StatusConflict,
		Detail: "The request with this Idempotency-Key was done, and its answer was too long to keep."}
)

func tooLong(limit int64) *Problem {
	return &Problem{Status: http.StatusRequestEntityTooLarge,
		Detail: fmt.Sprintf("The body of a request with an Idempotency-Key may have at most %d bytes.", limit)}
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		p = &Problem{Status: http.StatusServiceUnavailable, Err: err}
	}
	if p.Status >= 500 && r.Context().Err() == nil {
		h.config.Logger.WarnContext(r.Context(), "idempotency: request refused", "method", r.Method, "path", r.URL.Path, "error", p.Err)
	}
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	h.config.Refuse(w, r, p)
}

// writeProblem answers with a problem (RFC 9457).
func writeProblem(w http.ResponseWriter, _ *http.Request, p *Problem) {
	text, _ := json.Marshal(struct { // strings and a number always can
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{"about:blank", http.StatusText(p.Status), p.Status, p.Detail})
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(text, '\n')) // the client may have gone
}
