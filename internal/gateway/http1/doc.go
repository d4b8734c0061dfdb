// Package http1 is a strict HTTP/1.1 codec (RFC 9112) for both sides of the
// gateway: it reads requests from clients and responses from upstreams, and
// writes both.
//
// It differs from net/http on purpose. A message is parsed once, in place, and
// shown as views into the connection's own buffer: there are no header maps, no
// copies and, on a kept-alive connection, no allocations. A connection that
// waits for its next message holds no buffer at all.
//
// Whatever two parsers could understand in two ways is refused, never mended:
// both framing fields, repeated or listed Content-Length, folded lines, bare CR
// and LF, loose chunk lines. Bodies are decoded and framed anew, so that bytes
// of framing never pass from one side to the other. Names with underscores are
// valid tokens and are accepted; a gateway before CGI-like programs, which see
// "a_b" and "a-b" as one name, should refuse them itself. Targets may hold any
// visible ASCII but '#', since browsers send more than RFC 3986 allows; nothing
// in them is decoded or normalized here. Trailers are checked and dropped.
//
// A [Conn] serves one reader and one writer at a time; the two may be different
// goroutines. A typical exchange:
//
//	for c.Await() == nil {
//		if err := c.ReadRequest(&req); err != nil { ... }
//		up.WriteRequestLine(req.Method, req.Target)
//		up.WriteField([]byte("Host"), req.Host)
//		for i := range req.Fields {
//			if f := &req.Fields[i]; req.Forward(f) {
//				up.WriteField(f.Name, f.Value)
//			}
//		}
//		up.WriteFraming(req.Framing)
//		up.EndHead()
//		_, err := c.Body().Relay(up, req.Framing)
//		...
//		c.Release()
//	}
package http1
