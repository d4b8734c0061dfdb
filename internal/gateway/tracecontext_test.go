package gateway

import (
	"encoding/hex"
	"strings"
	"testing"
)

// traceParents are fields and whether they name a trace, as the W3C's
// recommendation has it.
var traceParents = map[string]bool{
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      true,
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00":      true,
	"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      true, // a later version
	"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what": true,
	"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what": false,
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what": false,
	"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      false,
	"00-00000000000000000000000000000000-00f067aa0ba902b7-01":      false,
	"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01":      false,
	"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01":      false,
	"00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01":       false,
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0":       false,
	"00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01":      false,
	"0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      false,
	"00-4bf92f3577b34da6a3ce929d0e0e473z-00f067aa0ba902b7-01":      false,
	"": false,
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01,00-4b": false,
}

func TestTraceParentIsReadAsW3CHasIt(t *testing.T) {
	for field, valid := range traceParents {
		got, ok := parseTraceParent([]byte(field))
		if ok != valid {
			t.Errorf("%q: valid is %v, want %v", field, ok, valid)
		}
		if ok && (hex.EncodeToString(got.TraceID[:]) != field[3:35] || hex.EncodeToString(got.Parent[:]) != field[36:52] || got.Sampled != (field[54] == '1')) {
			t.Errorf("%q is read as %+v", field, got)
		}
	}
}

// FuzzTraceParent writes what it could read, and reads that again.
func FuzzTraceParent(f *testing.F) {
	for field := range traceParents {
		f.Add([]byte(field))
	}
	f.Fuzz(func(t *testing.T, field []byte) {
		first, ok := parseTraceParent(field)
		if !ok {
			return
		}
		again, ok := parseTraceParent(first.appendTraceParent(nil, first.Parent))
		if !ok || again != first {
			t.Errorf("%q is read as %+v, and then as %+v", field, first, again)
		}
	})
}

func TestShareOfTracesIsSampledTheSameEverywhere(t *testing.T) {
	const rounds, share = 20_000, 0.1
	sampled := 0
	for range rounds {
		var here TraceContext
		here.join(share, false)
		there := TraceContext{TraceID: here.TraceID}
		there.join(share, false)
		if here.Sampled != there.Sampled || here.Span == there.Span || !here.joined() {
			t.Fatalf("%+v here and %+v there", here, there)
		}
		if here.Sampled {
			sampled++
		}
		if there.join(1, false); !there.Sampled {
			t.Fatal("of all, one is not sampled")
		}
		if there.join(0, false); there.Sampled {
			t.Fatal("of none, one is sampled")
		}
	}
	if sampled < rounds*share*8/10 || sampled > rounds*share*12/10 {
		t.Errorf("%d of %d are sampled, want about %v of them", sampled, rounds, share)
	}
}

func TestBrokenTraceParentBeginsATrace(t *testing.T) {
	var c TraceContext
	c.join(1, false)
	field := string(c.appendTraceParent(nil, c.Span))
	if !strings.HasPrefix(field, "00-") || !strings.HasSuffix(field, "-03") || c.Parent != [8]byte{} {
		t.Errorf("got %q of %+v", field, c)
	}
}
