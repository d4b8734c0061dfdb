package policy

import (
	"context"
	"reflect"
	"testing"
	"time"
)

// TestEveryPolicyIsNamedObservedSetAndShown goes over the policies that a chain
// can have: a new one is to have what the others have.
func TestEveryPolicyIsNamedObservedSetAndShown(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range append(everyPolicy(t).Policies(), newKeyed(t, KeyedRateLimitConfig{Requests: 1})) {
		switch p.(type) {
		case foreignPolicy, shown, Limits:
			continue // they have no Config
		}
		v := reflect.ValueOf(p)
		kind := v.Elem().Type().Name()
		seen[kind] = true
		set := v.MethodByName("Set")
		if !set.IsValid() {
			t.Errorf("%s has no Set", kind)
			continue
		}
		config := set.Type().In(0)
		if kind == "KeyedBreaker" {
			breaker, _ := config.FieldByName("Breaker")
			config = breaker.Type // they are in there
		}
		for _, field := range []string{"Name", "Observer"} {
			if f, ok := config.FieldByName(field); !ok || f.Tag.Get("yaml") != "-" && kind != "Fallback" {
				t.Errorf("%s has no %s, or in a file", config.Name(), field)
			}
		}
		if s := StatusOf(p)[0]; s.Kind == "" || s.State == "" || s.Figures == nil {
			t.Errorf("%s shows %+v", kind, s)
		}
	}
	if len(seen) < 14 {
		t.Errorf("%d kinds of policies, want all", len(seen))
	}
}

func TestFallbackSetKeepsTheLastGoodAnswers(t *testing.T) {
	var told int
	c := FallbackConfig{LastGood: &LastGoodConfig{}, Observer: func(Event) { told++ }}
	f, err := FallbackWith(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx := WithKey(t.Context(), "k")
	_, _ = Do(ctx, f, working)
	if err := f.Set(FallbackConfig{LastGood: &LastGoodConfig{AgeMax: time.Minute}, Replace: func(context.Context, Result) Result { return Result{Value: 7} }}); err != nil {
		t.Fatal(err)
	}
	if v, err := Do(ctx, f, failing); v != 42 || err != nil {
		t.Errorf("with an answer: %v, %v", v, err)
	}
	if v, err := Do(WithKey(ctx, "other"), f, failing); v != 7 || err != nil {
		t.Errorf("without one: %v, %v", v, err)
	}
	if told == 0 {
		t.Error("the Observer did not stay")
	}
	if err := f.Set(FallbackConfig{On: []Class{9}}); err == nil {
		t.Error("a Config with nothing to replace by, and a class that there is not")
	} else {
		wantFields(t, err, "replace", "on")
	}
	if v, err := Do(ctx, f.On(Shed), failing); v != 0 || err == nil {
		t.Errorf("a failure was replaced by %v", v)
	}
}
