package alert_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/alert"
	"github.com/afloat-dev/afloat/internal/journal"
)

// TestEveryReceiverSaysWhatHappened tells by each kind of receiver whose server
// can be one of the test's own.
func TestEveryReceiverSaysWhatHappened(t *testing.T) {
	said := make(chan string, 100)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if problem := badRequest(r, body); problem != "" {
			t.Error(problem)
		}
		if r.Method == http.MethodPost {
			said <- string(body)
		}
		answer := "ok"
		switch {
		case strings.HasPrefix(r.URL.Path, "/bot"):
			answer = `{"ok": true, "result": {"message_id": 1, "chat": {"id": 7}}}`
		case r.URL.Path == "/enqueue":
			w.WriteHeader(http.StatusAccepted)
			answer = `{"status": "success"}`
		}
		fmt.Fprint(w, answer)
	}))
	defer web.Close()
	url := alert.Secret(web.URL + "/hook")
	for name, r := range map[string]alert.ReceiverConfig{
		"webhook":   {Webhook: url},
		"slack":     {Slack: &alert.SlackConfig{URL: url, Channel: "#shop"}},
		"discord":   {Discord: url},
		"teams":     {Teams: url},
		"pagerduty": {PagerDuty: &alert.PagerDutyConfig{Key: "duty-key", URL: web.URL + "/enqueue"}},
		"opsgenie":  {Opsgenie: &alert.OpsgenieConfig{Key: "genie-key", URL: web.URL}},
		"telegram":  {Telegram: &alert.TelegramConfig{Token: "1:secret", Chat: 7, URL: web.URL}},
		"email": {Email: &alert.EmailConfig{To: []string{"ada@example.com"}, From: "afloat@example.com",
			Server: mailServer(t, said), Plain: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c := quick(web.URL)
			c.Receivers = map[string]alert.ReceiverConfig{name: r}
			rig := newRig(t, t.TempDir(), c)
			a := named("P1", "HighErrors", "cart")
			a.Annotations["description"] = "For a minute."
			rig.tell(t, a)
			got := plainText(<-said)
			for _, want := range []string{"HighErrors of cart", "For a minute.", "9 requests/s", "cart/127.0.0.1:9001 is ejected", "/#/service/cart"} {
				if !strings.Contains(got, want) {
					t.Errorf("it does not say %q:\n%s", want, got)
				}
			}
			rig.tell(t, a.over())
			over := plainText(<-said)
			if name != "webhook" && name != "opsgenie" && !strings.Contains(over, "It lasted") {
				t.Errorf("the end does not say how long:\n%s", over)
			}
		})
	}
}

// badRequest says what an API would not take.
func badRequest(r *http.Request, body []byte) string {
	switch {
	case r.URL.Path == "/enqueue":
		var e struct {
			Key     string `json:"routing_key"`
			Action  string `json:"event_action"`
			Dedup   string `json:"dedup_key"`
			Payload struct{ Summary, Source, Severity string }
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return err.Error()
		}
		if e.Key != "duty-key" || e.Dedup == "" || e.Action != "trigger" && e.Action != "resolve" ||
			e.Payload.Summary == "" || e.Payload.Source == "" || e.Payload.Severity != "error" {
			return fmt.Sprintf("an event of PagerDuty: got %s", body)
		}
	case strings.HasPrefix(r.URL.Path, "/v2/alerts"):
		if got := r.Header.Get("Authorization"); got != "GenieKey genie-key" {
			return "the key of Opsgenie: got " + got
		}
		var a struct{ Message, Alias, Priority, Source string }
		if err := json.Unmarshal(body, &a); err != nil {
			return err.Error()
		}
		if over := strings.HasSuffix(r.URL.Path, "/close"); !over && (a.Message == "" || a.Alias == "" || a.Priority != "P2") {
			return fmt.Sprintf("an alert of Opsgenie: got %s", body)
		}
	}
	return ""
}

// plainText undoes what encodings do to the texts.
func plainText(body string) string {
	return strings.NewReplacer("=\r\n", "", "=3D", "=", "=23", "#", `\u0026`, "&", "%2F", "/", "%3A", ":", "%23", "#", "+", " ", "%2C", ",").Replace(body)
}

// mailServer takes mail and says what it got.
func mailServer(t *testing.T, said chan<- string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go takeMail(c, said)
		}
	}()
	return l.Addr().String()
}

// takeMail is as much of SMTP as a client needs (RFC 5321).
func takeMail(c net.Conn, said chan<- string) {
	defer c.Close()
	fmt.Fprint(c, "220 test\r\n")
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.TrimSpace(line)); {
		case strings.HasPrefix(verb, "EHLO"):
			fmt.Fprint(c, "250-test\r\n250 8BITMIME\r\n")
		case verb == "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			var text strings.Builder
			for line != ".\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
				text.WriteString(line)
			}
			said <- text.String()
			fmt.Fprint(c, "250 ok\r\n")
		case verb == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func TestReceiverWhoseAnswerIsUnexpectedEndsNothing(t *testing.T) {
	answers := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answers++
		if answers == 1 {
			fmt.Fprint(w, `{"ok": true, "result": {}}`) // a message without a chat
			return
		}
		fmt.Fprint(w, `{"ok": true, "result": {"message_id": 1, "chat": {"id": 7}}}`)
	}))
	defer web.Close()
	c := quick(web.URL)
	c.Receivers = map[string]alert.ReceiverConfig{"chat": {Telegram: &alert.TelegramConfig{Token: "1:secret", Chat: 7, URL: web.URL}}}
	r := newRig(t, t.TempDir(), c)
	r.tell(t, named("P1", "HighErrors", "cart"))
	for _, kind := range []journal.Kind{journal.KindNoticeFailed, journal.KindNoticeSent} {
		eventually(t, string(kind), func() bool {
			all, err := r.journal.Read(journal.Query{Kinds: []journal.Kind{kind}})
			return err == nil && len(all) > 0
		})
	}
}

func TestSecretsOfReceiversAreNotShown(t *testing.T) {
	r := newRig(t, t.TempDir(), alert.Config{Receivers: secretive("http://127.0.0.1:9")})
	if got := r.amtool(t, "config", "show"); strings.Contains(got, "hunter2") || !strings.Contains(got, "<secret>") {
		t.Errorf("got:\n%s", got)
	}
}

// secretive are receivers of each kind, whose secret is always the same.
func secretive(base string) map[string]alert.ReceiverConfig {
	url := alert.Secret(base + "/hunter2/hook?key=hunter2")
	return map[string]alert.ReceiverConfig{
		"webhook":   {Webhook: url},
		"slack":     {Slack: &alert.SlackConfig{URL: url}},
		"discord":   {Discord: url},
		"teams":     {Teams: url},
		"telegram":  {Telegram: &alert.TelegramConfig{Token: "1:hunter2", Chat: 7, URL: base}},
		"pagerduty": {PagerDuty: &alert.PagerDutyConfig{Key: "hunter2", URL: base + "/enqueue"}},
		"opsgenie":  {Opsgenie: &alert.OpsgenieConfig{Key: "hunter2", URL: base}},
		"email": {Email: &alert.EmailConfig{To: []string{"a@b.c"}, From: "a@b.c", Server: strings.TrimPrefix(base, "http://"),
			Username: "u", Password: "hunter2"}},
	}
}

// TestErrorsOfReceiversKeepSecrets has a port that refuses, and a server that
// answers with what it got.
func TestErrorsOfReceiversKeepSecrets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // as much as there is
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "%s %s is not allowed: %s", r.URL, r.Header.Get("Authorization"), body)
	}))
	defer echo.Close()
	for what, base := range map[string]string{"refused": refused, "echo": echo.URL} {
		for name, receiver := range secretive(base) {
			if what == "echo" && name == "email" {
				continue // a server of mail would speak first
			}
			t.Run(what+" "+name, func(t *testing.T) {
				c := quick(base)
				c.Receivers = map[string]alert.ReceiverConfig{name: receiver}
				r := newRig(t, t.TempDir(), c)
				r.tell(t, named("P1", "HighErrors", "cart"))
				var failed []journal.Entry
				eventually(t, "failed notice, and a line of the log", func() bool {
					var err error
					failed, err = r.journal.Read(journal.Query{Kinds: []journal.Kind{journal.KindNoticeFailed}})
					return err == nil && len(failed) > 0 && strings.Contains(r.log.String(), "Notify")
				})
				r.stop() // what was under way is logged
				noted, err := json.Marshal(failed)
				if err != nil {
					t.Fatal(err)
				}
				if text := string(noted) + r.log.String(); strings.Contains(text, "hunter2") {
					t.Errorf("got %s", text)
				}
			})
		}
	}
}
