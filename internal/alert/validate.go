package alert

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/afloat-dev/afloat/policy"
)

// Limits of what a configuration may hold.
const (
	receiversMax = 100
	patternsMax  = 100
	timeMax      = 30 * 24 * time.Hour
)

// Validate returns every problem of the Config, joined, each a
// [policy.FieldError]; nil where there is none. It reads no file.
func (c Config) Validate() error {
	v := &validator{config: c.WithDefaults()}
	v.receivers()
	for _, t := range tiers {
		v.tier(strings.ToLower(string(t)), *v.config.tier(t))
	}
	if c.Alertmanager != "" {
		v.want(len(c.Receivers) == 0, "receivers", "do not go with alertmanager, which names its own; keep one of them")
		for _, t := range tiers {
			tier := *c.tier(t)
			v.want(len(tier.To) == 0 && len(tier.EscalateTo) == 0, strings.ToLower(string(t)), "who is told says the file under alertmanager; keep one of them")
		}
	}
	v.rules()
	v.span(v.config.Every, 100*time.Millisecond, time.Hour, "every")
	v.span(v.config.Outage.After, 250*time.Millisecond, time.Minute, "outage.after")
	v.span(v.config.Outage.IdleAfter, time.Second, time.Hour, "outage.idleAfter")
	v.want(v.config.Outage.RequestsMin >= 1 && v.config.Outage.RequestsMin <= 1_000_000, "outage.requestsMin", "want 1 to 1000000, got %d", c.Outage.RequestsMin)
	v.want(v.config.Flap.Times >= 1 && v.config.Flap.Times <= 100, "flap.times", "want 1 to 100, got %d", c.Flap.Times)
	v.span(v.config.Flap.Window, time.Second, 24*time.Hour, "flap.window")
	v.span(v.config.Flap.Quiet, time.Second, 24*time.Hour, "flap.quiet")
	v.url(c.URL, "url")
	v.url(c.Runbooks, "runbooks")
	return errors.Join(v.problems...)
}

// validator collects the problems of a Config.
type validator struct {
	config   Config
	problems []error
}

func (v *validator) want(ok bool, field, format string, args ...any) {
	if !ok {
		v.problems = append(v.problems, &policy.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) span(d, least, most time.Duration, field string) {
	v.want(d >= least && d <= most, field, "want %v to %v, got %v", least, most, d)
}

// url wants an address of the web. It never repeats a secret.
func (v *validator) url(text, field string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	v.want(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", field, "want a URL such as https://example.com/hook")
}

func (v *validator) receivers() {
	v.want(len(v.config.Receivers) <= receiversMax, "receivers", "want at most %d, got %d", receiversMax, len(v.config.Receivers))
	for _, name := range slices.Sorted(maps.Keys(v.config.Receivers)) {
		v.receiver(v.config.Receivers[name], "receivers."+name)
	}
}

func (v *validator) receiver(r ReceiverConfig, at string) {
	none := r.Webhook == "" && r.Slack == nil && r.PagerDuty == nil && r.Email == nil && r.Telegram == nil &&
		r.Discord == "" && r.Teams == "" && r.Opsgenie == nil
	v.want(!none, at, "goes nowhere: write webhook: URL, slack, pagerduty, email, telegram, discord, teams or opsgenie")
	v.url(string(r.Webhook), at+".webhook")
	v.url(string(r.Discord), at+".discord")
	v.url(string(r.Teams), at+".teams")
	if r.Slack != nil {
		v.want(r.Slack.URL != "", at+".slack.url", "is required")
		v.url(string(r.Slack.URL), at+".slack.url")
	}
	if r.PagerDuty != nil {
		v.want(r.PagerDuty.Key != "", at+".pagerduty.key", "is required: the routing key of an integration")
		v.url(r.PagerDuty.URL, at+".pagerduty.url")
	}
	if r.Opsgenie != nil {
		v.want(r.Opsgenie.Key != "", at+".opsgenie.key", "is required")
		v.url(r.Opsgenie.URL, at+".opsgenie.url")
	}
	if r.Telegram != nil {
		v.want(r.Telegram.Token != "", at+".telegram.token", "is required")
		v.want(r.Telegram.Chat != 0, at+".telegram.chat", "is required: the number of the chat")
		v.url(r.Telegram.URL, at+".telegram.url")
	}
	if r.Email != nil {
		v.want(len(r.Email.To) > 0, at+".email.to", "is required: one address or more")
		for i, to := range r.Email.To {
			v.want(strings.Contains(to, "@"), at+".email.to["+strconv.Itoa(i)+"]", "want an address such as ada@example.com, got %q", to)
		}
		v.want(strings.Contains(r.Email.From, "@"), at+".email.from", "want an address such as afloat@example.com, got %q", r.Email.From)
		_, _, err := net.SplitHostPort(r.Email.Server)
		v.want(err == nil, at+".email.server", "want host:port, got %q", r.Email.Server)
	}
}

func (v *validator) tier(at string, t TierConfig) {
	v.names(t.To, at+".to")
	v.names(t.EscalateTo, at+".escalateTo")
	v.want(t.EscalateAfter == 0 || len(t.EscalateTo) > 0, at+".escalateAfter", "there is nobody to escalate to: write escalateTo: [RECEIVER]")
	v.span(t.GroupWait, time.Millisecond, timeMax, at+".groupWait")
	v.span(t.GroupInterval, 100*time.Millisecond, timeMax, at+".groupInterval")
	v.span(t.NewsInterval, time.Millisecond, time.Hour, at+".newsInterval")
	v.span(t.Repeat, time.Second, timeMax, at+".repeat")
	if t.EscalateAfter != 0 {
		v.span(t.EscalateAfter, time.Second, timeMax, at+".escalateAfter")
	}
	for i, name := range t.GroupBy {
		v.want(model.LegacyValidation.IsValidLabelName(name), at+".groupBy["+strconv.Itoa(i)+"]", "%q is no name of a label: want letters, digits and _", name)
	}
}

// names wants names of receivers.
func (v *validator) names(names []string, at string) {
	for i, name := range names {
		_, ok := v.config.Receivers[name]
		v.want(ok || v.config.Alertmanager != "", at+"["+strconv.Itoa(i)+"]", "there is no receiver %q; there is %s",
			name, strings.Join(slices.Sorted(maps.Keys(v.config.Receivers)), ", "))
	}
}

func (v *validator) rules() {
	v.want(len(v.config.Rules) <= patternsMax, "rules", "want at most %d, got %d", patternsMax, len(v.config.Rules))
	for i, pattern := range v.config.Rules {
		_, err := filepath.Match(pattern, "")
		v.want(err == nil && pattern != "", "rules["+strconv.Itoa(i)+"]", "want the name of a file, such as rules/*.yaml, got %q", pattern)
	}
	known := builtinNames()
	for i, name := range v.config.Without {
		v.want(name == withoutAll || slices.Contains(known, name), "without["+strconv.Itoa(i)+"]",
			"there is no built-in alert %q; there are %s, or write all", name, strings.Join(known, ", "))
	}
}
