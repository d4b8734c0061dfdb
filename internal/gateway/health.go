package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// recoveryInterval is how often an endpoint that is down is asked whether it
// is back, where its checks are not more frequent anyhow.
const recoveryInterval = 200 * time.Millisecond

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
		if c.Path == "" && !e.down.Load() {
			continue
		}
		err := e.check(ctx, c)
		switch verdict.after(err == nil, e.down.Load(), c) {
		case verdictDown:
			e.markDown("health check failed: " + err.Error())
		case verdictUp:
			e.markUp(healthWord(c) + " succeeded")
		}
	}
}

func healthWord(c HealthConfig) string {
	if c.Path == "" {
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
	dialer := net.Dialer{Timeout: c.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", e.address)
	if err != nil {
		return shortError(err)
	}
	defer conn.Close()
	if c.Path == "" {
		return nil
	}
	if err := conn.SetDeadline(time.Now().Add(c.Timeout)); err != nil {
		return err
	}
	hc := http1.NewConn(conn, &upstreamLimits)
	defer hc.Release()
	hc.WriteRequestLine("GET", []byte(c.Path))
	host := c.Host
	if host == "" {
		host = e.address
	}
	hc.WriteFieldString("Host", host)
	hc.WriteFieldString("User-Agent", "afloat-health-check")
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
	if res.Status >= 400 {
		return fmt.Errorf("GET %s answered %d", c.Path, res.Status)
	}
	return nil
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
