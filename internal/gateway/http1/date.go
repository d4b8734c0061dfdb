package http1

import (
	"sync/atomic"
	"time"
)

// stamp is the Date field of one second.
type stamp struct {
	second int64
	line   string
}

var lastStamp atomic.Pointer[stamp]

// WriteDate adds the Date field that a response of our own must have (RFC 9110,
// 6.6.1).
func (w *writer) WriteDate(now time.Time) {
	s := lastStamp.Load()
	if s == nil || s.second != now.Unix() {
		s = &stamp{now.Unix(), "Date: " + now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") + crlf}
		lastStamp.Store(s)
	}
	w.AppendString(s.line)
}
