package journal

import (
	"encoding/json"
	"strings"
	"time"
)

// Entry is one thing that happened.
type Entry struct {
	// ID counts entries; a later one has a higher ID, over restarts too. Append
	// gives it.
	ID uint64 `json:"id"`
	// Time is when it happened; where zero, Append takes the present.
	Time time.Time `json:"time"`
	// Kind is an area and what happened there, such as "alert.fired".
	Kind Kind `json:"kind"`
	// Level is how it is meant; empty is LevelNote.
	Level Level `json:"level,omitempty"`
	// Who did it: a person, or a part of Afloat such as "gateway".
	Who string `json:"who,omitempty"`
	// Subject is what it happened to: a service, or a part of one after a slash,
	// such as "cart/127.0.0.1:9001". Empty is Afloat itself.
	Subject string `json:"subject,omitempty"`
	// What says it in words, such as "breaker open".
	What string `json:"what,omitempty"`
	// Why explains it in words, with the figures that decided.
	Why string `json:"why,omitempty"`
	// Detail is what programs want to know beyond that; see [Detail].
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Kind is an area and what happened there, joined by a dot.
type Kind string

// The kinds that Afloat writes. Others may be added.
const (
	KindStarted  Kind = "afloat.started"
	KindStopping Kind = "afloat.stopping"

	KindUpgradeAsked  Kind = "afloat.upgrade_asked"
	KindUpgraded      Kind = "afloat.upgraded"
	KindUpgradeFailed Kind = "afloat.upgrade_failed"

	KindConfigApplied Kind = "config.applied"
	KindConfigRefused Kind = "config.refused"

	KindFaultInjected Kind = "fault.injected"
	KindFaultEnded    Kind = "fault.ended"

	KindEndpoint Kind = "endpoint.changed"
	KindService  Kind = "service.changed"
	KindGateway  Kind = "gateway.changed"
	KindProcess  Kind = "process.changed"
	KindRelease  Kind = "release.changed"
	// KindReleaseSteered is what somebody wanted of a release.
	KindReleaseSteered Kind = "release.steered"
	KindLever          Kind = "lever.moved"

	KindAlertFired        Kind = "alert.fired"
	KindAlertResolved     Kind = "alert.resolved"
	KindAlertAcknowledged Kind = "alert.acknowledged"
	KindAlertEscalated    Kind = "alert.escalated"
	KindAlertSilenced     Kind = "alert.silenced"
	KindAlertUnsilenced   Kind = "alert.unsilenced"
	KindNoticeSent        Kind = "notice.sent"
	KindNoticeFailed      Kind = "notice.failed"
)

// everydayKinds are areas of which there may be very many entries.
var everydayKinds = []Kind{"endpoint", "service", "gateway", "process"}

// Within reports whether the kind is the given one or belongs to that area.
func (k Kind) Within(area Kind) bool { return within(string(k), string(area), '.') }

// Level is how an entry is meant.
type Level string

// The levels.
const (
	LevelGood Level = "good" // something works again, or went well
	LevelNote Level = "note" // something changed
	LevelBad  Level = "bad"  // something fails
)

// Detail writes what an entry says to programs. What cannot be written as JSON
// is left out: an entry matters more than its detail.
func Detail(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}

// Query picks entries. A zero field picks all.
type Query struct {
	// Since and Until bound the time: from Since on, and before Until.
	Since, Until time.Time
	// After is an ID: only later entries are wanted.
	After uint64
	// Kinds are kinds or areas, such as "alert".
	Kinds []Kind
	// Subject is one, or a service with all of its parts.
	Subject string
	// Own wants, with a Subject, what is about Afloat itself too.
	Own bool
	// Limit is how many are wanted at most: the last ones, or with Oldest the
	// first ones. Default 1000.
	Limit int
	// Oldest wants the first ones, to read on after the last of them. After means
	// it.
	Oldest bool
}

// limitDefault and limitMax bound what one Read returns.
const (
	limitDefault = 1000
	limitMax     = 100_000
)

// bounded is the query with what its zero fields mean.
func (q Query) bounded() Query {
	if q.Limit <= 0 {
		q.Limit = limitDefault
	}
	q.Limit = min(q.Limit, limitMax)
	q.Oldest = q.Oldest || q.After > 0
	return q
}

// Picks reports whether the query wants the entry, its limit aside.
func (q Query) Picks(e *Entry) bool {
	switch {
	case e.ID <= q.After,
		!q.Since.IsZero() && e.Time.Before(q.Since),
		!q.Until.IsZero() && !e.Time.Before(q.Until),
		q.Subject != "" && !within(e.Subject, q.Subject, '/') && !(q.Own && e.Subject == ""):
		return false
	}
	for _, k := range q.Kinds {
		if e.Kind.Within(k) {
			return true
		}
	}
	return len(q.Kinds) == 0
}

// within reports whether a path is another or below it.
func within(path, above string, separator byte) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (rest == "" || rest[0] == separator)
}

// The limits of an entry's parts, in bytes.
const (
	textBytesMax   = 4 << 10
	detailBytesMax = 32 << 10
)

// bounded cuts what is too long, so that no entry fills the journal alone.
func (e Entry) bounded() Entry {
	for _, text := range []*string{&e.Who, &e.Subject, &e.What, &e.Why} {
		if len(*text) > textBytesMax {
			*text = strings.ToValidUTF8((*text)[:textBytesMax], "") + "…"
		}
	}
	if len(e.Detail) > detailBytesMax || !json.Valid(e.Detail) {
		e.Detail = nil
	}
	return e
}
