package gateway

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// FuzzCookie finds a cookie wherever it stands among others, and never more than
// its own value.
func FuzzCookie(f *testing.F) {
	for _, field := range []string{"shop=a; b=c", `b="x"; shop="a"`, "shopx=1;shop=2", "shop", ";;=;"} {
		f.Add([]byte(field), "a.b")
	}
	f.Fuzz(func(t *testing.T, field []byte, mine string) {
		value, ok := cookie([]http1.Field{{Name: []byte("Cookie"), Value: field}}, "shop")
		if bytes.IndexByte(value, ';') >= 0 || ok && !bytes.Contains(field, []byte("shop=")) {
			t.Errorf("%q has the cookie %q, %v", field, value, ok)
		}
		if ok || bytes.ContainsAny([]byte(mine), "; \t\"") {
			return
		}
		value, ok = cookie([]http1.Field{{Name: []byte("Cookie"), Value: field}, {Name: []byte("cookie"), Value: []byte("o=1; shop=" + mine)}}, "shop")
		if !ok || string(value) != mine {
			t.Errorf("after %q the cookie is %q, %v; want %q", field, value, ok, mine)
		}
	})
}

// FuzzCacheControl reads the same of one field as of its parts in fields of their
// own, and times within bounds.
func FuzzCacheControl(f *testing.F) {
	for _, field := range []string{"max-age=60, no-store", `s-maxage="5",private`, "stale-if-error=99999999999999999999", "max-age=-1", ",,"} {
		f.Add([]byte(field))
	}
	f.Fuzz(func(t *testing.T, field []byte) {
		one := directivesOf([]http1.Field{{Name: []byte("Cache-Control"), Value: field}})
		var parts []http1.Field
		for part := range bytes.SplitSeq(field, comma) {
			parts = append(parts, http1.Field{Name: []byte("cache-control"), Value: part})
		}
		if many := directivesOf(parts); many != one {
			t.Errorf("%q says %+v, and %+v in fields of its own", field, one, many)
		}
		for _, d := range []time.Duration{one.maxAge, one.sMaxAge, one.staleIfError, one.staleWhileRevalidate} {
			if d < -1 || d > staleMax {
				t.Errorf("%q says %v", field, d)
			}
		}
	})
}

// FuzzGRPCTimeout writes what it read, which is then no more than it was and
// hardly less.
func FuzzGRPCTimeout(f *testing.F) {
	for _, value := range []string{"1n", "99999999H", "20m", "5S", "S", "-1S", "1x", "100000000S"} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		d, ok := parseGRPCTimeout(value)
		if d < 0 || !ok && d != 0 {
			t.Fatalf("%q is %v, %v", value, d, ok)
		}
		if d < time.Microsecond {
			return
		}
		again, ok := parseGRPCTimeout([]byte(formatGRPCTimeout(d)))
		if !ok || again > d || again < d-d/1000-time.Microsecond {
			t.Errorf("%q is %v, written as %q", value, d, formatGRPCTimeout(d))
		}
	})
}

// FuzzSniff never changes its mind once it is sure.
func FuzzSniff(f *testing.F) {
	for _, head := range []string{"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "CONNECT a:1 HTTP/1.1", "\x16\x03\x01", "SSH-2.0-x", "M-SEARCH /"} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		settled, was := false, false
		for n := range len(head) + 1 {
			http, sure := looksLikeRequest(head[:n])
			if settled && (!sure || http != was) {
				t.Fatalf("%q: sure that it is a request: %v; then with %d bytes: %v, sure %v", head, was, n, http, sure)
			}
			settled, was = sure, http
		}
	})
}

// FuzzSPIFFEPattern takes what it says it takes, and nothing of another trust
// domain.
func FuzzSPIFFEPattern(f *testing.F) {
	for _, text := range []string{"spiffe://a.example/web", "spiffe://a.example/*", "spiffe://a.example/web/*", "spiffe://*/web", "a/*", "spiffe://a.example/"} {
		f.Add(text, "/web/x")
		f.Add(text, "") // the trust domain itself
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		pattern := SPIFFEPattern(text)
		of, below, err := pattern.parse()
		if err != nil {
			return
		}
		if !below && !pattern.matches(of) {
			t.Errorf("%q does not take itself", text)
		}
		if other, err := spiffeid.FromPath(spiffeid.RequireTrustDomainFromString("other.example"), path); err == nil && of.TrustDomain().Name() != "other.example" && pattern.matches(other) {
			t.Errorf("%q takes %v", text, other)
		}
		if id, err := spiffeid.FromPath(of.TrustDomain(), path); err == nil && pattern.matches(id) != (id == of && !below || below && strings.HasPrefix(path, of.Path()+"/")) {
			t.Errorf("%q and %v: %v", text, id, pattern.matches(id))
		}
	})
}
