package sample

import (
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultErrorsBeginAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		errors := func() (n int) {
			for range 1000 {
				if status, _ := ask(s, "GET", "/"); status == 500 {
					n++
				}
			}
			return n
		}
		if n := errors(); n != 0 {
			t.Fatalf("%d of 1000 failed before the fault", n)
		}
		if status, body := ask(s, "PUT", "/fault?errors=0.3"); status != 200 {
			t.Fatalf("PUT answers %d: %s", status, body)
		}
		if n := errors(); n < 230 || n > 370 { // 300 ± 4.8 standard deviations
			t.Errorf("%d of 1000 failed, want about 300", n)
		}
		if status, _ := ask(s, "GET", "/health"); status != 200 {
			t.Errorf("health answers %d", status)
		}
		ask(s, "DELETE", "/fault")
		if n := errors(); n != 0 {
			t.Errorf("%d of 1000 failed after the fault", n)
		}
	})
}

func TestFaultSlowBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{ServiceTime: 20 * time.Millisecond})
		took := func() time.Duration {
			begin := time.Now()
			ask(s, "GET", "/")
			return time.Since(begin)
		}
		if d := took(); d < 18*time.Millisecond || d > 22*time.Millisecond {
			t.Errorf("%v before the fault", d)
		}
		ask(s, "PUT", "/fault?slow=10")
		if d := took(); d < 180*time.Millisecond || d > 220*time.Millisecond {
			t.Errorf("%v under the fault", d)
		}
		ask(s, "DELETE", "/fault")
		if d := took(); d > 22*time.Millisecond {
			t.Errorf("%v after the fault", d)
		}
	})
}

func TestFaultHangHoldsEverythingUntilCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{})
		ask(s, "PUT", "/fault?hang=1")
		answers := make(chan int, 2)
		for _, path := range []string{"/", "/health"} {
			go func() {
				status, _ := ask(s, "GET", path)
				answers <- status
			}()
		}
		time.Sleep(time.Hour)
		if len(answers) > 0 {
			t.Fatal("an answer from a service that hangs")
		}
		if status, body := ask(s, "GET", "/fault"); status != 200 || !strings.Contains(body, `"hang":true`) {
			t.Errorf("GET /fault answers %d %s", status, body)
		}
		ask(s, "DELETE", "/fault")
		for range 2 {
			if status := <-answers; status != 200 {
				t.Errorf("answered %d after the fault", status)
			}
		}
	})
}

func TestFaultPutReplaces(t *testing.T) {
	s := New(Config{})
	ask(s, "PUT", "/fault?errors=0.5&hang=true")
	ask(s, "PUT", "/fault?slow=3")
	if got, want := s.Fault(), (Fault{Slow: 3}); got != want {
		t.Errorf("fault is %+v, want %+v", got, want)
	}
}

func TestFaultRefusesBadValues(t *testing.T) {
	for _, query := range []string{
		"", "?", "?errors=1.5", "?errors=-0.1", "?errors=NaN", "?errors=many", "?slow=0.5", "?slow=1001", "?slow=Inf", "?hang=2", "?typo=1",
	} {
		s := New(Config{})
		before := Fault{Errors: 0.25}
		if err := s.SetFault(before); err != nil {
			t.Fatal(err)
		}
		if status, body := ask(s, "PUT", "/fault"+query); status != 400 {
			t.Errorf("PUT /fault%s answers %d %s", query, status, body)
		}
		if s.Fault() != before {
			t.Errorf("PUT /fault%s changed the fault to %+v", query, s.Fault())
		}
	}
	if err := New(Config{}).SetFault(Fault{Slow: math.NaN()}); err == nil {
		t.Error("a factor that is not a number is accepted")
	}
}

func TestFaultTakesOrdersFromThisMachineAlone(t *testing.T) {
	tests := []struct {
		name, remote, header string
		want                 int
	}{
		{"loopback", "127.0.0.1:99", "", 200},
		{"loopback, version 6", "[::1]:99", "", 200},
		{"elsewhere", "192.0.2.1:99", "", 403},
		{"not an address", "@", "", 403},
		{"through a proxy", "127.0.0.1:99", "X-Forwarded-For", 403},
		{"through a standard proxy", "127.0.0.1:99", "Forwarded", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				r := httptest.NewRequest(method, "/fault?errors=0", nil)
				r.RemoteAddr = test.remote
				if test.header != "" {
					r.Header.Set(test.header, "for=192.0.2.1")
				}
				w := httptest.NewRecorder()
				New(Config{}).ServeHTTP(w, r)
				if w.Code != test.want {
					t.Errorf("%s answers %d, want %d", method, w.Code, test.want)
				}
			}
		})
	}
}
