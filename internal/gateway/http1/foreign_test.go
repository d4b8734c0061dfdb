package http1

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// foreign are requests that came otherwise than in HTTP/1.1, and the status that
// they are refused with; 0 for none.
var foreign = []struct {
	name                 string
	method, target, host string
	fields               string // name, value, name, value
	framing              Framing
	want                 int
}{
	{"plain", "GET", "/a?b", "h", "x-a,b,cookie,c=d", Framing{}, 0},
	{"with a body", "POST", "/", "h:80", "content-length,7", Framing{Length: 7}, 0},
	{"of unknown length", "POST", "/", "[::1]", "", Framing{Chunked: true}, 0},
	{"the same host", "GET", "/", "h", "host,H", Framing{}, 0},
	{"asterisk", "OPTIONS", "*", "h", "", Framing{}, 0},
	{"CONNECT", "CONNECT", "/", "h", "", Framing{}, 501},
	{"method", "GET /", "/", "h", "", Framing{}, 400},
	{"target", "GET", "/ HTTP/1.1\r\nx: y", "h", "", Framing{}, 400},
	{"absolute target", "GET", "http://b/", "h", "", Framing{}, 400},
	{"no target", "GET", "", "h", "", Framing{}, 400},
	{"host", "GET", "/", "h\r\nx: y", "", Framing{}, 400},
	{"no host", "GET", "/", "", "", Framing{}, 400},
	{"another host", "GET", "/", "h", "host,b", Framing{}, 400},
	{"two hosts", "GET", "/", "h", "host,h,host,h", Framing{}, 400},
	{"name", "GET", "/", "h", "x a,b", Framing{}, 400},
	{"empty name", "GET", "/", "h", ",b", Framing{}, 400},
	{"value", "GET", "/", "h", "x,b\r\ny: z", Framing{}, 400},
	{"Transfer-Encoding", "POST", "/", "h", "transfer-encoding,chunked", Framing{Chunked: true}, 400},
	{"Connection", "GET", "/", "h", "connection,x", Framing{}, 400},
	{"Upgrade", "GET", "/", "h", "upgrade,websocket", Framing{}, 400},
	{"lengths", "POST", "/", "h", "content-length,7,content-length,7", Framing{Length: 7}, 400},
	{"another length", "POST", "/", "h", "content-length,8", Framing{Length: 7}, 400},
	{"length of a body without", "POST", "/", "h", "content-length,8", Framing{Chunked: true}, 400},
	{"expectation", "POST", "/", "h", "expect,magic", Framing{Length: 7}, 417},
}

// fieldList splits the fields of a test at its commas.
func fieldList(text string) (fields []Field) {
	for text != "" || len(fields) > 0 && fields[len(fields)-1].Value == nil {
		name, rest := cut(text)
		value, rest := cut(rest)
		fields = append(fields, Field{[]byte(name), []byte(value)})
		text = rest
	}
	return fields
}

func cut(text string) (before, after string) {
	for i := range len(text) {
		if text[i] == ',' {
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

func TestTakeIsAsStrictAsTheParser(t *testing.T) {
	for _, test := range foreign {
		var r Request
		err := r.Take(test.method, []byte(test.target), []byte(test.host), fieldList(test.fields), test.framing, nil)
		got := 0
		if e, ok := errors.AsType[*ProtocolError](err); ok {
			got = e.Status
		}
		if got != test.want {
			t.Errorf("%s: got %v, want %d", test.name, err, test.want)
		}
	}
}

// FuzzTake: what Take accepts, and is written in HTTP/1.1, the parser reads as
// the same request, and no other follows it.
func FuzzTake(f *testing.F) {
	for _, test := range foreign {
		f.Add(test.method, test.target, test.host, test.fields, test.framing.Chunked)
	}
	f.Fuzz(func(t *testing.T, method, target, host, fields string, body bool) {
		framing := Framing{Chunked: body}
		var taken Request
		if taken.Take(method, []byte(target), []byte(host), fieldList(fields), framing, nil) != nil {
			return
		}
		to := newFeed("", wholly)
		out := NewConn(to, nil)
		out.WriteRequestLine(taken.Method, taken.Target)
		out.WriteField([]byte("Host"), taken.Host)
		for i := range taken.Fields {
			if field := &taken.Fields[i]; taken.Forward(field) {
				out.WriteField(field.Name, field.Value)
			}
		}
		out.WriteFraming(framing)
		out.EndHead()
		out.EndBody(framing)
		if err := out.Flush(); err != nil {
			t.Fatal(err)
		}
		read, err := decodeRequest(to.written.String(), wholly)
		if err != nil {
			t.Fatalf("%q: %v", to.written.String(), err)
		}
		want := decoded{Method: taken.Method, Path: string(taken.Path), Query: string(taken.Query), Host: string(taken.Host), KeepAlive: true}
		if diff := cmp.Diff(want, read); diff != "" {
			t.Errorf("%q: %s", to.written.String(), diff)
		}
	})
}
