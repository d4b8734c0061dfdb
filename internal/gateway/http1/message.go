package http1

// A Field is one header field as it was received, without the white space around
// its value. Both are views into the connection's buffer.
type Field struct{ Name, Value []byte }

// Framing says how a message's body is delimited. The zero value means no body.
type Framing struct {
	Length     int64 // bytes; 0 with the others unset means none
	Chunked    bool
	UntilClose bool // the body ends with the connection; responses only
}

// None reports whether there is no body, or an empty one.
func (f Framing) None() bool { return f == Framing{} }

// A Request is what [Conn.ReadRequest] fills. All its byte slices are views that
// are valid until the connection's Release or its next Read. The zero value is
// ready; use one for many requests so that Fields keeps its capacity.
type Request struct {
	Method         string // registered methods cost no allocation
	Target         []byte // as received
	Path           []byte // of the target, "/" where an absolute one has none
	Query          []byte // of the target, without '?'; nil if there is none
	Host           []byte // of an absolute target, else of the Host field; nil in HTTP/1.0 without one
	Minor          int    // of the version: 0 or 1
	Fields         []Field
	Framing        Framing
	KeepAlive      bool   // the peer lets the connection go on
	ExpectContinue bool   // the peer waits for 100 Continue before it sends the body
	Upgrade        []byte // asked-for protocols if Connection names upgrade; nil for none, and for h2c

	traits traits
}

// Get returns the first value of a field, or nil if the field is absent. Case
// does not matter.
func (r *Request) Get(name string) []byte { return get(r.Fields, name) }

// Reset clears the request and keeps the capacity of Fields.
func (r *Request) Reset() { *r = Request{Fields: r.Fields[:0]} }

// Forward reports whether a field of the request may be passed on. It says no to
// hop-by-hop fields, to those that Connection names, and to those that the
// sender writes anew: Host, Content-Length, Transfer-Encoding and Expect.
func (r *Request) Forward(f *Field) bool {
	switch identify(f.Name) {
	case nameOther:
		return !r.traits.connectionNames || !connectionNames(r.Fields, f.Name)
	default:
		return false
	}
}

// A Response is what [Conn.ReadResponse] fills. All its byte slices are views
// that are valid until the connection's Release or its next Read. The zero value
// is ready; use one for many responses so that Fields keeps its capacity.
type Response struct {
	Status    int // 100 to 999
	Reason    []byte
	Minor     int // of the version: 0 or 1
	Fields    []Field
	Framing   Framing
	KeepAlive bool   // the peer lets the connection go on
	Upgrade   []byte // the protocols named, if Connection names upgrade; nil otherwise

	traits   traits
	bodiless bool
}

// Get returns the first value of a field, or nil if the field is absent. Case
// does not matter.
func (r *Response) Get(name string) []byte { return get(r.Fields, name) }

// Reset clears the response and keeps the capacity of Fields.
func (r *Response) Reset() { *r = Response{Fields: r.Fields[:0]} }

// Bodiless reports whether the response has no body whatever its fields say: an
// answer to HEAD, or a status of 1xx, 204 or 304. Write no framing for it;
// Forward lets a Content-Length pass where it is information.
func (r *Response) Bodiless() bool { return r.bodiless }

// Forward reports whether a field of the response may be passed on. It says no
// to hop-by-hop fields, to those that Connection names, and to Content-Length
// and Transfer-Encoding, which the sender writes anew. A Content-Length that
// only informs (an answer to HEAD, or a 304) passes.
func (r *Response) Forward(f *Field) bool {
	switch identify(f.Name) {
	case nameOther, nameHost, nameExpect:
		return !r.traits.connectionNames || !connectionNames(r.Fields, f.Name)
	case nameContentLength:
		return r.bodiless && r.Status >= 200 && r.Status != 204
	default:
		return false
	}
}

func get(fields []Field, name string) []byte {
	for i := range fields {
		if EqualFold(fields[i].Name, name) {
			return fields[i].Value
		}
	}
	return nil
}
