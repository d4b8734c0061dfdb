package gateway

import "time"

// pace is how slowly a response's body is passed on. Its zero value holds
// nothing back.
type pace struct {
	pause time.Duration // before the first byte
	rate  int           // bytes a second; 0: any
}

// paceSteps is how many pieces a second a slow body comes in.
const paceSteps = 20

func (p *pace) slow() bool { return *p != pace{} }

// piece is how much of a buffer is to be read at once.
func (p *pace) piece(buf []byte) []byte {
	if p.rate == 0 {
		return buf
	}
	return buf[:min(len(buf), max(p.rate/paceSteps, 1))]
}

// pass waits until n bytes may be passed on, and reports whether the client is
// still there.
func (p *pace) pass(x *exchange, n int) bool {
	wait := p.pause
	p.pause = 0
	if p.rate > 0 {
		wait += time.Duration(n) * time.Second / time.Duration(p.rate)
	}
	return x.pause(wait)
}
