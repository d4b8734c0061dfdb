package signal

import "testing"

func TestFiguresAreShortAndHonest(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{rateFigure(0), "0"},
		{rateFigure(0.04), "<0.1"},
		{rateFigure(3.44), "3.4"},
		{rateFigure(9.96), "10"},
		{rateFigure(999.6), "1,000"},
		{rateFigure(1234567), "1,234,567"},
		{shareFigure(0), "0 %"},
		{shareFigure(0.00001), "<0.01 %"},
		{shareFigure(0.0012), "0.12 %"},
		{shareFigure(0.034), "3.4 %"},
		{shareFigure(0.3), "30 %"},
		{shareFigure(0.9999), "99 %"},
		{shareFigure(1), "100 %"},
		{latencyFigure(0), "–"},
		{latencyFigure(0.00085), "850 µs"},
		{latencyFigure(0.0009996), "1.0 ms"},
		{latencyFigure(0.0031), "3.1 ms"},
		{latencyFigure(0.00996), "10 ms"},
		{latencyFigure(0.312), "312 ms"},
		{latencyFigure(0.9996), "1.0 s"},
		{latencyFigure(12.4), "12 s"},
		{ageFigure(-1), "0s"},
		{ageFigure(59.9), "59s"},
		{ageFigure(134), "2m 14s"},
		{ageFigure(3 * 3600), "3h 0m"},
		{ageFigure(50 * 3600), "2d 2h"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}
