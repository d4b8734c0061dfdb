package http1

import "bytes"

// A fieldName is a name that the codec itself acts on.
type fieldName uint8

const (
	nameOther fieldName = iota
	nameConnection
	nameContentLength
	nameExpect
	nameHost
	nameTrailer
	nameTransferEncoding
	nameUpgrade
	nameHop // hop-by-hop, and otherwise of no interest here
)

// HopByHop reports whether a field is meant for one connection alone and must
// not be forwarded (RFC 9110, 7.6.1). Fields that a Connection field names are
// so too; [Request.Forward] and [Response.Forward] know both.
func HopByHop(name []byte) bool {
	switch identify(name) {
	case nameConnection, nameTrailer, nameTransferEncoding, nameUpgrade, nameHop:
		return true
	}
	return false
}

func identify(name []byte) fieldName {
	switch len(name) {
	case 2:
		return pick(name, "te", nameHop)
	case 4:
		return pick(name, "host", nameHost)
	case 6:
		return pick(name, "expect", nameExpect)
	case 7:
		if EqualFold(name, "trailer") {
			return nameTrailer
		}
		return pick(name, "upgrade", nameUpgrade)
	case 10:
		if EqualFold(name, "connection") {
			return nameConnection
		}
		return pick(name, "keep-alive", nameHop)
	case 14:
		if EqualFold(name, "content-length") {
			return nameContentLength
		}
		return pick(name, "http2-settings", nameHop)
	case 16:
		return pick(name, "proxy-connection", nameHop)
	case 17:
		return pick(name, "transfer-encoding", nameTransferEncoding)
	case 18:
		return pick(name, "proxy-authenticate", nameHop)
	case 19:
		return pick(name, "proxy-authorization", nameHop)
	}
	return nameOther
}

func pick(name []byte, want string, id fieldName) fieldName {
	if EqualFold(name, want) {
		return id
	}
	return nameOther
}

// traits are what the fields of one head say about its connection and framing.
type traits struct {
	hosts, lengths, codings, upgrades int
	host, length, coding, upgrade     []byte
	close, keepAlive, wantsUpgrade    bool
	expectContinue, expectOther       bool
	connectionNames                   bool // Connection names fields beyond the ones known here
}

// parseFields reads field lines up to the empty line that ends head, appends
// them to fields and notes what they say in t.
func parseFields(head []byte, fields []Field, fieldsMax int, t *traits) ([]Field, error) {
	for {
		end := bytes.IndexByte(head, '\n') - 1
		if end == 0 {
			return fields, nil
		}
		f, err := parseField(head[:end])
		if err != nil {
			return fields, err
		}
		if len(fields) == fieldsMax {
			return fields, refuse(431, "too many fields")
		}
		fields = append(fields, f)
		if err := t.note(f); err != nil {
			return fields, err
		}
		head = head[end+2:]
	}
}

func parseField(line []byte) (Field, error) {
	colon := bytes.IndexByte(line, ':')
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return Field{}, bad("folded field line")
	case colon < 0:
		return Field{}, bad("field line without a colon")
	case colon == 0:
		return Field{}, bad("empty field name")
	case !tokenChars.holds(line[:colon]):
		return Field{}, bad("invalid byte in a field name")
	}
	value := line[colon+1:]
	if !cleanValue(value) {
		return Field{}, bad("invalid byte in a field value")
	}
	return Field{Name: line[:colon], Value: trimSpace(value)}, nil
}

func (t *traits) note(f Field) error {
	switch identify(f.Name) {
	case nameHost:
		t.hosts++
		t.host = f.Value
	case nameContentLength:
		t.lengths++
		t.length = f.Value
	case nameTransferEncoding:
		t.codings++
		t.coding = f.Value
	case nameConnection:
		t.noteConnection(f.Value)
	case nameUpgrade:
		t.upgrades++
		t.upgrade = f.Value
	case nameExpect:
		known := EqualFold(f.Value, "100-continue")
		t.expectContinue = t.expectContinue || known
		t.expectOther = t.expectOther || !known
	case nameTrailer:
		for token, rest := nextToken(f.Value); token != nil; token, rest = nextToken(rest) {
			if forbiddenTrailer(token) {
				return bad("forbidden name in Trailer")
			}
		}
	}
	return nil
}

func (t *traits) noteConnection(value []byte) {
	for token, rest := nextToken(value); token != nil; token, rest = nextToken(rest) {
		switch {
		case EqualFold(token, "close"):
			t.close = true
		case EqualFold(token, "keep-alive"):
			t.keepAlive = true
		case EqualFold(token, "upgrade"):
			t.wantsUpgrade = true
		default:
			t.connectionNames = true
		}
	}
}

// persists applies RFC 9112, 9.3.
func (t *traits) persists(minor int) bool {
	return !t.close && (minor == 1 || t.keepAlive)
}

// protocols returns the value of the one Upgrade field, if Connection names it
// and the peer speaks HTTP/1.1. An upgrade to h2c counts as none: a gateway that
// passed it on would hand the client a connection that it can no longer police.
func (t *traits) protocols(minor int) []byte {
	if !t.wantsUpgrade || t.upgrades != 1 || minor == 0 {
		return nil
	}
	for token, rest := nextToken(t.upgrade); token != nil; token, rest = nextToken(rest) {
		if EqualFold(token, "h2c") || EqualFold(token, "h2") {
			return nil
		}
	}
	if len(t.upgrade) == 0 {
		return nil
	}
	return t.upgrade
}

// connectionNames reports whether a Connection field lists the name.
func connectionNames(fields []Field, name []byte) bool {
	for i := range fields {
		if identify(fields[i].Name) != nameConnection {
			continue
		}
		for token, rest := nextToken(fields[i].Value); token != nil; token, rest = nextToken(rest) {
			if EqualFold(token, name) {
				return true
			}
		}
	}
	return false
}

// nextToken returns the first element of a comma-separated list and the rest;
// empty elements are passed over, and nil means that there are no more.
func nextToken(list []byte) (token, rest []byte) {
	for len(list) > 0 {
		element := list
		if i := bytes.IndexByte(list, ','); i >= 0 {
			element, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		if element = trimSpace(element); len(element) > 0 {
			return element, list
		}
	}
	return nil, nil
}
