package sample

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// slowMax bounds Fault.Slow.
const slowMax = 1000

// A Fault is how a [Service] misbehaves. The zero value is none.
type Fault struct {
	// Errors is the share of requests, 0 to 1, that are answered with 500 after
	// the usual work. /health is not affected.
	Errors float64 `json:"errors"`
	// Slow multiplies the time that a request takes, 1 to 1000; 0 is 1.
	Slow float64 `json:"slow"`
	// Hang makes every worker, and /health, stand still until the fault is
	// cleared. Connections are still accepted.
	Hang bool `json:"hang"`
}

// Fault returns the fault that is set.
func (s *Service) Fault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// SetFault replaces the fault that is set; the zero Fault clears it. Work that
// began before keeps its speed. The error says which value is out of range, and
// nothing changes then.
func (s *Service) SetFault(f Fault) error {
	if !(f.Errors >= 0 && f.Errors <= 1) { // NaN as well
		return fmt.Errorf("errors=%v: want a share from 0 to 1", f.Errors)
	}
	if f.Slow != 0 && !(f.Slow >= 1 && f.Slow <= slowMax) {
		return fmt.Errorf("slow=%v: want a factor from 1 to %d", f.Slow, slowMax)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case f.Hang && !s.fault.Hang:
		s.unhung = make(chan struct{})
	case !f.Hang && s.fault.Hang:
		close(s.unhung)
	}
	s.fault = f
	return nil
}

// hang returns when the service does not hang. If the service stops before, it
// drops the connection, for there is nothing to answer.
func (s *Service) hang() {
	s.mu.Lock()
	unhung := s.unhung
	s.mu.Unlock()
	select {
	case <-unhung:
		return
	default:
	}
	select {
	case <-unhung:
	case <-s.stopped:
		panic(http.ErrAbortHandler)
	}
}

func (s *Service) showFault(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s.Fault()) // an error means that the client is gone
}

func (s *Service) putFault(w http.ResponseWriter, r *http.Request) {
	fault, err := parseFault(r.URL.RawQuery)
	if err == nil {
		err = s.SetFault(fault)
	}
	if err != nil {
		http.Error(w, "fault: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.showFault(w, r)
}

func (s *Service) deleteFault(w http.ResponseWriter, r *http.Request) {
	s.SetFault(Fault{}) // the zero fault is always in range
	s.showFault(w, r)
}

func parseFault(query string) (Fault, error) {
	var f Fault
	values, err := url.ParseQuery(query)
	if err != nil {
		return f, err
	}
	if len(values) == 0 {
		return f, errors.New("want errors=SHARE, slow=FACTOR or hang=1")
	}
	for name := range values {
		value := values.Get(name)
		switch name {
		case "errors":
			f.Errors, err = strconv.ParseFloat(value, 64)
		case "slow":
			f.Slow, err = strconv.ParseFloat(value, 64)
		case "hang":
			f.Hang, err = strconv.ParseBool(value)
		default:
			return f, fmt.Errorf("%q is unknown: want errors, slow or hang", name)
		}
		if err != nil {
			return f, fmt.Errorf("%s=%q is not a value: %w", name, value, errors.Unwrap(err))
		}
	}
	return f, nil
}

// ownerOnly refuses whoever is not on this machine. A request that came through
// a proxy on this machine looks local but is not.
func ownerOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		ip := net.ParseIP(host)
		forwarded := r.Header.Get("X-Forwarded-For") + r.Header.Get("Forwarded") + r.Header.Get("Via")
		if ip == nil || !ip.IsLoopback() || forwarded != "" {
			http.Error(w, "faults take orders from this machine alone", http.StatusForbidden)
			return
		}
		next(w, r)
	}
}
