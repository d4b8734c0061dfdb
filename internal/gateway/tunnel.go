package gateway

import "github.com/afloat-dev/afloat/policy"

// tunnel joins client and endpoint after the endpoint agreed to another
// protocol, and ends when either side does.
func (x *exchange) tunnel() (keep bool, class policy.Class) {
	u := x.upstream.(*upstreamConn) // only HTTP/1.1 changes protocols
	x.record.Status = 101
	x.client.hold(u)
	defer x.client.hold(nil)
	x.record.RequestBytes, x.record.ResponseBytes = x.client.join(x, u)
	x.body.bytes = x.record.RequestBytes
	x.drop()
	x.done()
	return false, policy.Success
}

// join passes bytes on between the client's connection and the endpoint's.
func (s *session) join(x *exchange, u *upstreamConn) (up, down int64) {
	c := s.conn
	c.WriteStatusLine(101, x.response.Reason)
	for i := range x.response.Fields {
		if f := &x.response.Fields[i]; x.forwardsBack(f) {
			c.WriteField(f.Name, f.Value)
		}
	}
	for _, f := range x.addedBack() {
		c.WriteField(f.Name, f.Value)
	}
	c.WriteFieldString("Connection", "Upgrade")
	c.WriteField(upgradeName, x.response.Upgrade)
	c.EndHead()
	x.answered = true
	if c.Flush() == nil {
		up, down = s.relay(u, tunnelIdle)
	}
	s.closed.Store(true)
	return up, down
}
