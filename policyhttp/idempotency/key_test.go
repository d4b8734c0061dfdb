package idempotency

import (
	"net/http"
	"strings"
	"testing"
)

func TestKeyIsReadStrictly(t *testing.T) {
	for _, c := range []struct {
		header []string
		key    string
		given  bool
		good   bool
	}{
		{nil, "", false, true},
		{[]string{`"8e03978e-40d5"`}, "8e03978e-40d5", true, true},
		{[]string{`8e03978e-40d5`}, "8e03978e-40d5", true, true},
		{[]string{` "a b" `}, "a b", true, true},
		{[]string{`"a\"b\\c"`}, `a"b\c`, true, true},
		{[]string{`"` + strings.Repeat("x", keyMax) + `"`}, strings.Repeat("x", keyMax), true, true},
		{[]string{`"` + strings.Repeat("x", keyMax+1) + `"`}, "", true, false},
		{[]string{``}, "", true, false},
		{[]string{`""`}, "", true, false},
		{[]string{`"a`}, "", true, false},
		{[]string{`"`}, "", true, false},
		{[]string{`"a"b"`}, "", true, false},
		{[]string{`"a";p=1`}, "", true, false},
		{[]string{`"a\x"`}, "", true, false},
		{[]string{`"a\"`}, "", true, false},
		{[]string{`"ä"`}, "", true, false},
		{[]string{`a b`}, "", true, false},
		{[]string{`a, b`}, "", true, false},
		{[]string{`a;b`}, "", true, false},
		{[]string{`a"`}, "", true, false},
		{[]string{"a\tb"}, "", true, false},
		{[]string{`ä`}, "", true, false},
		{[]string{"a", "a"}, "", true, false},
	} {
		key, given, err := keyOf(http.Header{Header: c.header})
		if given != c.given || (err == nil) != c.good || c.good && key != c.key {
			t.Errorf("%q: got %q, %v, %v", c.header, key, given, err)
		}
	}
}

// FuzzKey holds that a key is never empty or long, and means the same when it
// is quoted anew.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{`"a"`, `a`, `"a\"b"`, `"\\"`, ``, `"`, `"a"b`, "\x00"} {
		f.Add(seed)
	}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, text string) {
		key, given, err := keyOf(http.Header{Header: {text}})
		if err != nil {
			return
		}
		if !given || key == "" || len(key) > keyMax {
			t.Fatalf("%q is the key %q", text, key)
		}
		again, _, err := keyOf(http.Header{Header: {`"` + quote.Replace(key) + `"`}})
		if err != nil || again != key {
			t.Fatalf("%q is the key %q, and quoted %q, %v", text, key, again, err)
		}
	})
}

func TestStoredKeyCannotBeForged(t *testing.T) {
	if storedKey("a", "bc") == storedKey("ab", "c") {
		t.Error("a client can take another's key")
	}
	if strings.Contains(storedKey("Bearer secret", "k"), "secret") {
		t.Error("the store sees a credential")
	}
}
