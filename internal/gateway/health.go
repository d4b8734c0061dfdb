package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"

	"github.com/afloat-dev/afloat/internal/grpchealth"
)

// recoveryInterval is how often an endpoint that is down is asked whether it
// is back, where its checks are not more frequent anyhow.
const recoveryInterval = 200 * time.Millisecond

// heldInterval is how often one is asked that refuses connections while requests
// are held for it: asking costs it nothing.
const heldInterval = 50 * time.Millisecond

// watchHealth checks the endpoint until it is removed. Without a health path
// only an endpoint that is down is asked, by connecting.
func (e *endpoint) watchHealth(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var verdict healthVerdict
	for {
		c := e.service.config.Load().Health
		timer.Reset(e.untilCheck(c))
		select {
		case <-ctx.Done():
			return
		case <-e.gone:
			return
		case <-e.ask: // it is down: what came before counts no longer
			verdict = healthVerdict{}
			continue
		case <-timer.C:
		}
		if !c.asks() && !e.down.Load() {
			continue
		}
		begun := time.Now()
		err := e.check(ctx, c)
		if err != nil && e.service.lag.stalledSince(begun, time.Now()) {
			continue
		}
		switch verdict.after(err == nil, e.down.Load(), c) {
		case verdictDown:
			e.markDown("health check failed: " + err.Error())
		case verdictUp:
			e.markUp(healthWord(c) + " succeeded")
		}
	}
}

// asks reports whether there is a question to be asked.
func (c *HealthConfig) asks() bool { return c.Path != "" || c.GRPC != nil || c.Connect }

func healthWord(c HealthConfig) string {
	switch {
	case c.GRPC != nil:
		return grpchealth.Path
	case c.Path == "":
		return "connecting"
	}
	return "GET " + c.Path
}

// untilCheck is when to check next, spread a little so that the checks of many
// endpoints do not come together.
func (e *endpoint) untilCheck(c HealthConfig) time.Duration {
	d := c.Interval
	if e.down.Load() {
		d = min(d, recoveryInterval)
		if e.refusing.Load() && e.service.held.Load() > 0 {
			d = min(d, heldInterval)
		}
	}
	return d - d/20 + rand.N(d/10+1)
}

// verdict is what a health check's result changes.
type verdict int

const (
	verdictSame verdict = iota
	verdictUp
	verdictDown
)

// healthVerdict counts results in a row.
type healthVerdict struct{ good, bad int }

func (v *healthVerdict) after(ok, down bool, c HealthConfig) verdict {
	if ok {
		v.good, v.bad = v.good+1, 0
	} else {
		v.good, v.bad = 0, v.bad+1
	}
	switch {
	case down && v.good >= c.HealthyThreshold:
		return verdictUp
	case !down && v.bad >= c.UnhealthyThreshold:
		return verdictDown
	}
	return verdictSame
}

// check asks the endpoint once, over a connection of its own.
func (e *endpoint) check(ctx context.Context, c HealthConfig) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	http2 := c.GRPC != nil || e.service.config.Load().Protocol == ProtocolHTTP2
	alpn := []string{"http/1.1"}
	if http2 {
		alpn = []string{"h2"}
	}
	l, err := e.dial(ctx, c.Timeout, alpn)
	if err != nil {
		return shortError(err)
	}
	defer l.Close()
	switch {
	case http2 && l.keys != nil && l.agreed() != "h2":
		return errNoHTTP2
	case c.GRPC != nil:
		return e.checkGRPC(ctx, l, c)
	case c.Path == "":
		return nil
	case http2:
		return e.checkHTTP2(ctx, l, c)
	}
	return e.checkHTTP1(l, c)
}

// checkHost is the host of a check.
func (e *endpoint) checkHost(c HealthConfig) string { return cmp.Or(c.Host, e.address) }

func (e *endpoint) checkHTTP1(l line, c HealthConfig) error {
	if err := l.SetDeadline(time.Now().Add(c.Timeout)); err != nil {
		return err
	}
	hc := http1.NewConn(l.Conn, &upstreamLimits)
	defer hc.Release()
	hc.WriteRequestLine("GET", []byte(c.Path))
	hc.WriteFieldString("Host", e.checkHost(c))
	hc.WriteFieldString("User-Agent", healthAgent)
	hc.WriteFieldString("Connection", "close")
	hc.EndHead()
	if err := hc.Flush(); err != nil {
		return shortError(err)
	}
	var res http1.Response
	for res.Status < 200 {
		if err := hc.ReadResponse(&res, "GET"); err != nil {
			return shortError(err)
		}
	}
	return healthStatus(c, res.Status)
}

// healthAgent is who asks.
const healthAgent = "afloat-health-check"

func healthStatus(c HealthConfig, status int) error {
	if status >= 400 {
		return fmt.Errorf("GET %s answered %d", c.Path, status)
	}
	return nil
}

func (e *endpoint) checkHTTP2(ctx context.Context, l line, c HealthConfig) error {
	req := &http.Request{Method: "GET", Header: http.Header{}, Body: http.NoBody, URL: &url.URL{Opaque: "//" + e.checkHost(c) + c.Path}}
	res, err := e.askOnce(ctx, l, e.checkHost(c), req)
	if err != nil {
		return shortError(err)
	}
	defer res.Body.Close()
	return healthStatus(c, res.StatusCode)
}

// askOnce sends a request in HTTP/2 on a connection of its own. The response's
// body must be read, or closed, before the connection is.
func (e *endpoint) askOnce(ctx context.Context, l line, host string, req *http.Request) (*http.Response, error) {
	t, err := newTrunk(l, e.address, 0)
	if err != nil {
		return nil, err
	}
	req.URL.Scheme, req.URL.Host, req.Host = "http", e.address, host
	if l.keys != nil {
		req.URL.Scheme = "https"
	}
	req.Header.Set("User-Agent", healthAgent)
	return t.RoundTrip(req.WithContext(ctx))
}

// shortError says what went wrong on a connection in an operator's words,
// without the addresses, which stand beside it.
func shortError(err error) error {
	var op *net.OpError
	switch {
	case err == nil:
		return nil
	case expired(err):
		return errors.New("no answer in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("connection closed without an answer")
	case errors.As(err, &op):
		return op.Err
	}
	return err
}
