package idempotency

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// Config configures a [Handler]. Zero fields take the default beside them;
// Store has none.
type Config struct {
	// Store keeps the keys. Several instances of a service share one.
	// Required; [NewMemory] is one for a single process.
	Store Store
	// Client says on whose behalf a request is made: a key is only ever
	// compared with those of the same client, so that nobody reads another's
	// answer. Those for whom it is empty are one client together. Default
	// [ByCredentials].
	Client func(*http.Request) string
	// Methods are those whose keys count. A key on another method is passed
	// over. Default POST and PATCH.
	Methods []string
	// Required refuses requests of these methods without a key. Default false.
	Required bool
	// Wait is how long a repeat waits for the request that is being served;
	// after that it gets a 409. Default 10s; negative: not at all.
	Wait time.Duration
	// WaitingMax is how many may wait at once. Further ones get the 409.
	// Default 1000.
	WaitingMax int
	// Lease is how long a request may be served. Then its context ends, and
	// the key is free for another: longer than the longest one takes. It is
	// also how long a process that died keeps its keys. Default 1m.
	Lease time.Duration
	// KeepFor is how long an answer is kept. Default 24h.
	KeepFor time.Duration
	// BodyMax is how long the body of a request with a key may be, in bytes,
	// since it is read before it is served. Default 1 MiB.
	BodyMax int
	// AnswerMax is how long an answer's body may be, in bytes, to be kept. Of
	// a longer one only that the request was done is. Default 1 MiB.
	AnswerMax int
	// Keep says which answers are kept. After others the key is free again, and
	// a repeat is served anew. Default [Final].
	Keep func(status int, header http.Header) bool
	// Refuse answers a request that is not served; a *[Problem] says why. Its
	// Retry-After is set already. Default: a problem of RFC 9457 as JSON.
	Refuse func(w http.ResponseWriter, r *http.Request, p *Problem)
	// Logger is told when the Store fails. Default [slog.Default].
	Logger *slog.Logger
}

// Validate returns a [policy.FieldError] for each field that cannot be used,
// joined.
func (c Config) Validate() error {
	var problems []error
	unless := func(ok bool, field, format string, args ...any) {
		if !ok {
			problems = append(problems, &policy.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
		}
	}
	unless(c.Store != nil, "store", "is missing: NewMemory makes one for a single process")
	unless(!slices.Contains(c.Methods, ""), "methods", "want methods such as POST, got an empty one")
	unless(c.Wait <= durationMax, "wait", "want at most %v, got %v", durationMax, c.Wait)
	unless(c.WaitingMax >= 0, "waitingMax", "want 0 or more, got %d", c.WaitingMax)
	unless(c.Lease >= 0 && c.Lease <= durationMax, "lease", "want 0 to %v, got %v", durationMax, c.Lease)
	unless(c.KeepFor >= 0 && c.KeepFor <= keepForMax, "keepFor", "want 0 to %v, got %v", keepForMax, c.KeepFor)
	unless(c.BodyMax >= 0, "bodyMax", "want 0 or more, got %d", c.BodyMax)
	unless(c.AnswerMax >= 0, "answerMax", "want 0 or more, got %d", c.AnswerMax)
	return errors.Join(problems...)
}

const (
	durationMax = 24 * time.Hour
	keepForMax  = 90 * 24 * time.Hour
)

// WithDefaults returns the configuration with its defaults filled in.
func (c Config) WithDefaults() Config {
	if c.Client == nil {
		c.Client = ByCredentials
	}
	if len(c.Methods) == 0 {
		c.Methods = []string{http.MethodPost, http.MethodPatch}
	}
	if c.Keep == nil {
		c.Keep = Final
	}
	if c.Refuse == nil {
		c.Refuse = writeProblem
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	setDefault(&c.Wait, 10*time.Second)
	setDefault(&c.WaitingMax, 1000)
	setDefault(&c.Lease, time.Minute)
	setDefault(&c.KeepFor, 24*time.Hour)
	setDefault(&c.BodyMax, 1<<20)
	setDefault(&c.AnswerMax, 1<<20)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Final is the default of Config.Keep: every status below 500 but those that
// say that the request was not served and may be sent again, which are 408,
// 425 and 429.
func Final(status int, _ http.Header) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status < 500
}
