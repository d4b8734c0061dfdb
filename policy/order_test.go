package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// safeOrder is the order of the documentation, as types.
func safeOrder() []Policy {
	return []Policy{new(Fallback), new(Cache), new(Singleflight), new(RateLimit), new(Timeout), new(Retry), new(Hedge),
		new(Breaker), new(KeyedBreaker), new(Bulkhead), new(Adaptive), new(Throttle), new(Timeout), new(Fault)}
}

func TestTheSafeOrderIsWithoutWarnings(t *testing.T) {
	all := safeOrder()
	if w := Check(all...); w != nil {
		t.Errorf("got %v", w)
	}
	for i := range all { // nor is any part of it, but a Retry under one Timeout
		for j := i; j < len(all); j++ {
			rest := append(slices.Clone(all[:i]), all[j:]...)
			for _, w := range Check(rest...) {
				if w.Outer != "Timeout" || w.Inner != "Retry" {
					t.Errorf("without %d to %d: %v", i, j, w)
				}
			}
		}
	}
}

func TestEverySwapInTheOrderIsWarnedOf(t *testing.T) {
	all := safeOrder()
	for i, a := range all {
		for _, b := range all[i+1:] {
			ka, kb := kindOf(a), kindOf(b)
			free := ka == timeoutKind || kb == timeoutKind || ka == breakerKind && kb == keyedBreakerKind ||
				ka == bulkheadKind && kb == adaptiveKind
			w := Check(b, a)
			if len(w) != 1 && !free {
				t.Errorf("%v around %v: %v", kb, ka, w)
			}
			for _, w := range w {
				if w.Outer != kb.String() || w.Inner != ka.String() || w.Why == "" {
					t.Errorf("%v around %v: %v", kb, ka, w)
				}
			}
		}
	}
}

func TestCheckSaysWhy(t *testing.T) {
	for _, test := range []struct {
		chain []Policy
		want  []string
	}{
		{nil, nil},
		{[]Policy{policyFunc(nil), nil, new(Breaker)}, nil},
		{[]Policy{new(Breaker), Chain(new(Retry), new(Timeout))}, []string{
			"Breaker around Retry: the Breaker sees one result for several tries; put the Retry outside"}},
		{[]Policy{new(Retry), new(Timeout), new(Retry)}, []string{"Retry around Retry: their tries multiply; keep one"}},
		{[]Policy{new(Timeout), new(Retry)}, []string{
			"Timeout around Retry: the first try that hangs takes the whole time; put a shorter Timeout inside the Retry, too"}},
		{[]Policy{new(Timeout), new(Fallback)}, []string{
			"Timeout around Fallback: a call that times out is not replaced; put the Fallback outside"}},
		{[]Policy{new(Bulkhead), new(Hedge), new(Breaker)}, []string{
			"Bulkhead around Hedge: the Bulkhead takes a call and its hedge for one; put the Hedge outside",
			"Bulkhead around Breaker: calls wait for a place only to be refused by the Breaker; put the Breaker outside"}},
	} {
		var got []string
		for _, w := range Check(test.chain...) {
			got = append(got, w.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// The order in Check's comment is that of safeOrder.
func TestTheDocumentedOrderIsTheCheckedOne(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "order.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Check" && f.Recv == nil {
			for line := range strings.Lines(f.Doc.Text()) {
				if name, ok := strings.CutPrefix(line, "\t"); ok {
					got = append(got, strings.Fields(name)[0])
				}
			}
		}
	}
	var want []string
	for _, p := range safeOrder() {
		want = append(want, kindOf(p).String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
