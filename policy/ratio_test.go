package policy

import "testing"

func TestRatioReadsPercentagesAndNumbers(t *testing.T) {
	tests := []struct {
		text  string
		ratio Ratio
		back  string
	}{
		{"20%", 0.2, "20%"},
		{" 0.5 ", 0.5, "50%"},
		{"0.1 %", 0.001, "0.1%"},
		{"1", 1, "100%"},
		{"0", 0, "0%"},
		{"-1", -1, "-100%"},
	}
	for _, test := range tests {
		var r Ratio
		if err := r.UnmarshalText([]byte(test.text)); err != nil || r != test.ratio {
			t.Errorf("%q: got %v, %v", test.text, float64(r), err)
		}
		if back, err := r.MarshalText(); string(back) != test.back || err != nil {
			t.Errorf("%q: written as %s, %v", test.text, back, err)
		}
	}
	for _, text := range []string{"", "%", "half", "20%%", "0,5"} {
		var r Ratio
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: read as %v", text, r)
		}
	}
}
