package alert

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"

	amconfig "github.com/prometheus/alertmanager/config"
)

// The labels that Afloat gives a meaning.
const (
	labelTier       = "tier"       // P0, P1 or P2
	labelService    = "service"    // what it is about; alerts of a tier silence those below for it
	labelEscalation = "escalation" // set where nobody acknowledged
)

// fileBytesMax bounds a file of rules or of Alertmanager.
const fileBytesMax = 4 << 20

// nobody is the receiver of alerts of which nobody is told.
const nobody = "nobody"

// templates are what notices to people say.
//
//go:embed notice.tmpl
var templates string

// routing is the configuration for Alertmanager: that of a file, or what the
// receivers and tiers amount to.
func (c *Config) routing() (*amconfig.Config, error) {
	if c.Alertmanager != "" {
		return readRouting(c.Alertmanager)
	}
	receivers := []any{object{"name": nobody}}
	for name, r := range c.Receivers {
		receivers = append(receivers, r.integrations(name))
	}
	var routes []any
	for _, t := range tiers {
		tier := c.tier(t)
		for _, name := range c.Told(t) {
			routes = append(routes, tier.route(name, t, ""))
		}
		for _, name := range tier.EscalateTo {
			routes = append(routes, tier.route(name, t, escalated))
		}
	}
	text, err := json.Marshal(object{
		"route":     object{"receiver": nobody, "routes": routes},
		"receivers": receivers,
		"inhibit_rules": []any{
			inhibition(P0, "P1|P2"),
			inhibition(P1, "P2"),
		},
	})
	if err != nil {
		return nil, err
	}
	return amconfig.Load(string(text)) // JSON is YAML
}

// object is a map of JSON.
type object map[string]any

// escalated is the value of the label of an alert that nobody acknowledged.
const escalated = "unacknowledged"

func (c *TierConfig) route(receiver string, t Tier, escalation string) object {
	return object{
		"receiver": receiver,
		"matchers": []string{
			fmt.Sprintf("%s=%q", labelTier, t),
			fmt.Sprintf("%s=%q", labelEscalation, escalation),
		},
		"group_by":        c.GroupBy,
		"group_wait":      c.GroupWait.String(),
		"group_interval":  c.GroupInterval.String(),
		"repeat_interval": c.Repeat.String(),
		"continue":        true,
	}
}

// inhibition silences less urgent alerts about a service of which a more urgent
// one is told.
func inhibition(source Tier, target string) object {
	return object{
		"source_matchers": []string{fmt.Sprintf("%s=%q", labelTier, source), labelService + `!=""`},
		"target_matchers": []string{fmt.Sprintf("%s=~%q", labelTier, target)},
		"equal":           []string{labelService},
	}
}

// The texts of notices; see notice.tmpl.
const (
	title   = `{{ template "afloat.title" . }}`
	text    = `{{ template "afloat.text" . }}`
	console = `{{ template "afloat.console" . }}`
)

// integrations is a receiver as Alertmanager has it.
func (r ReceiverConfig) integrations(name string) object {
	out := object{"name": name}
	add := func(kind string, config object) {
		config["send_resolved"] = !r.FiringOnly
		out[kind+"_configs"] = []object{config}
	}
	if r.Webhook != "" {
		add("webhook", object{"url": string(r.Webhook)})
	}
	if r.Slack != nil {
		add("slack", object{"api_url": string(r.Slack.URL), "channel": r.Slack.Channel, "username": "Afloat", "title": title, "title_link": console, "text": text, "fallback": title})
	}
	if r.PagerDuty != nil {
		pagerduty := object{
			"routing_key": string(r.PagerDuty.Key), "description": title, "client": "Afloat", "client_url": console, "details": object{"text": text},
			"severity": `{{ if eq .CommonLabels.tier "P0" }}critical{{ else if eq .CommonLabels.tier "P1" }}error{{ else }}warning{{ end }}`,
		}
		if r.PagerDuty.URL != "" {
			pagerduty["url"] = r.PagerDuty.URL
		}
		add("pagerduty", pagerduty)
	}
	if r.Email != nil {
		add("email", object{
			"to": join(r.Email.To), "from": r.Email.From, "smarthost": r.Email.Server, "auth_username": r.Email.Username,
			"auth_password": string(r.Email.Password), "require_tls": !r.Email.Plain, "headers": object{"Subject": title}, "html": "", "text": text,
		})
	}
	if r.Telegram != nil {
		telegram := object{"bot_token": string(r.Telegram.Token), "chat_id": r.Telegram.Chat, "message": title + "\n" + text, "parse_mode": ""}
		if r.Telegram.URL != "" {
			telegram["api_url"] = r.Telegram.URL
		}
		add("telegram", telegram)
	}
	if r.Discord != "" {
		add("discord", object{"webhook_url": string(r.Discord), "title": title, "message": text})
	}
	if r.Teams != "" {
		add("msteamsv2", object{"webhook_url": string(r.Teams), "title": title, "text": text})
	}
	if r.Opsgenie != nil {
		opsgenie := object{"api_key": string(r.Opsgenie.Key), "message": title, "description": text, "priority": `{{ if eq .CommonLabels.tier "P0" }}P1{{ else if eq .CommonLabels.tier "P1" }}P2{{ else }}P3{{ end }}`}
		if r.Opsgenie.URL != "" {
			opsgenie["api_url"] = r.Opsgenie.URL
		}
		add("opsgenie", opsgenie)
	}
	return out
}

// readRouting reads a whole configuration of Alertmanager. Its templates, and
// the files that it names, lie beside it.
func readRouting(name string) (*amconfig.Config, error) {
	if _, err := readFile(name); err != nil { // which bounds it
		return nil, err
	}
	c, err := amconfig.LoadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// CheckAlertmanager says what is wrong with a file of Alertmanager's
// configuration.
func CheckAlertmanager(name string) error {
	_, err := readRouting(name)
	return err
}

// readFile reads a file that is not too large.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; name a file", name)
	case info.Size() > fileBytesMax:
		return nil, fmt.Errorf("%s has more than %d MiB", name, fileBytesMax>>20)
	}
	return os.ReadFile(name)
}

// receiverNames lists the receivers that something is sent to.
func receiverNames(c *amconfig.Config) map[string]bool {
	names := map[string]bool{}
	var walk func(*amconfig.Route)
	walk = func(r *amconfig.Route) {
		names[r.Receiver] = true
		for _, child := range r.Routes {
			walk(child)
		}
	}
	walk(c.Route)
	return names
}
