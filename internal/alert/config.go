package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/afloat-dev/afloat/internal/secret"
)

// Config says what is watched and who is told. Zero fields mean the defaults
// written beside them.
type Config struct {
	// Disabled evaluates no rule and tells nobody.
	Disabled bool `yaml:"disabled"`
	// Receivers are where notices go, by a name of your choice.
	Receivers map[string]ReceiverConfig `yaml:"receivers"`
	// P0 is a total outage: somebody must get up now.
	P0 TierConfig `yaml:"p0"`
	// P1 is what users feel: somebody must look soon.
	P1 TierConfig `yaml:"p1"`
	// P2 is what will hurt if nobody looks today.
	P2 TierConfig `yaml:"p2"`
	// Alertmanager is a file of that program's own configuration, in place of
	// receivers and of who is told of a tier.
	Alertmanager string `yaml:"alertmanager"`
	// Rules are files of rules as Prometheus has them; * stands for any part of
	// a name.
	Rules []string `yaml:"rules"`
	// Without lists alerts of the built-in rules that are not wanted; all for
	// none of them.
	Without []string `yaml:"without"`
	// Every is how often rules are evaluated whose group does not say. Default 5s.
	Every time.Duration `yaml:"every"`
	// Outage is how a total outage is noticed, faster than by any rule.
	Outage OutageConfig `yaml:"outage"`
	// Flap is when an alert that comes and goes is taken for one.
	Flap FlapConfig `yaml:"flap"`
	// Objectives are what users may rely on, by name. Rules are made of them.
	Objectives map[string]ObjectiveConfig `yaml:"-"`
	// Sources are rules that come with the configuration, as from a PrometheusRule.
	Sources []RuleSource `yaml:"-"`
	// URL is where people reach the console, for links in notices. Default: the
	// admin address.
	URL string `yaml:"url"`
	// Runbooks is an address to which the name of an alert is added for the link to
	// what to do about it. Default: none.
	Runbooks string `yaml:"runbooks"`
}

// TierConfig is who is told of a tier's alerts, and when.
type TierConfig struct {
	// To are the receivers. Default: all of them, without those of escalateTo.
	To []string `yaml:"to"`
	// GroupBy are the labels of which alerts must have the same to be told in one
	// notice. Default [tier]: whoever is up already needs no second page.
	GroupBy []string `yaml:"groupBy"`
	// GroupWait is how long the first notice waits for alerts that come with it.
	// Default 250ms for P0, 15s for P1, 1m for P2.
	GroupWait time.Duration `yaml:"groupWait"`
	// GroupInterval is how long what is new in a group of alerts, such as that one
	// is over, waits for more. Default 1s for P0, 10s for P1, 5m for P2.
	GroupInterval time.Duration `yaml:"groupInterval"`
	// NewsInterval is how long new alerts of a group wait after others of it were
	// told, so that what many services share does not page once for each; that one
	// is over does not wait. Default 30s.
	NewsInterval time.Duration `yaml:"newsInterval"`
	// Repeat is after which time an alert that goes on and that nobody has
	// acknowledged is told again. Default 15m for P0, 4h for P1, 24h for P2.
	Repeat time.Duration `yaml:"repeat"`
	// EscalateAfter is after which time an alert that nobody has acknowledged is
	// told to those of escalateTo too. Default: 15m where escalateTo is set.
	EscalateAfter time.Duration `yaml:"escalateAfter"`
	// EscalateTo are the receivers of what was not acknowledged. Default: none.
	EscalateTo []string `yaml:"escalateTo"`
}

// OutageConfig is how a total outage of a service is noticed. It is one when
// requests fail and none succeeds, or when no endpoint is left.
type OutageConfig struct {
	// After is how long no request must have succeeded. Default 1.5s.
	After time.Duration `yaml:"after"`
	// RequestsMin is how many must have failed in that time, so that a single
	// request at night is no outage; with no endpoint left, one is enough.
	// Default 5.
	RequestsMin int `yaml:"requestsMin"`
	// IdleAfter is how long no endpoint must have been left where nobody asks.
	// Default 30s.
	IdleAfter time.Duration `yaml:"idleAfter"`
}

// FlapConfig is when an alert that comes and goes is taken for one that stays.
type FlapConfig struct {
	// Times is how often it must have ended within the window; five times as often
	// for a P0, of which each matters. Default 3.
	Times int `yaml:"times"`
	// Window is that time. Default 15m.
	Window time.Duration `yaml:"window"`
	// Quiet is how long it must not come back until it is over. Default 5m.
	Quiet time.Duration `yaml:"quiet"`
}

// ReceiverConfig is where notices go; several fields may be set.
type ReceiverConfig struct {
	// Webhook is a URL that gets a POST of JSON, as Alertmanager sends it.
	Webhook Secret `yaml:"webhook"`
	// Slack is a channel.
	Slack *SlackConfig `yaml:"slack"`
	// PagerDuty is an integration of its Events API v2.
	PagerDuty *PagerDutyConfig `yaml:"pagerduty"`
	// Email is one or more addresses.
	Email *EmailConfig `yaml:"email"`
	// Telegram is a chat.
	Telegram *TelegramConfig `yaml:"telegram"`
	// Discord is the URL of a channel's webhook.
	Discord Secret `yaml:"discord"`
	// Teams is the URL of a workflow that posts to a channel of Microsoft's chat.
	Teams Secret `yaml:"teams"`
	// Opsgenie is an account.
	Opsgenie *OpsgenieConfig `yaml:"opsgenie"`
	// FiringOnly leaves out that an alert is over.
	FiringOnly bool `yaml:"firingOnly"`
}

// SlackConfig is a channel of Slack.
type SlackConfig struct {
	// URL is that of an incoming webhook. Required.
	URL Secret `yaml:"url"`
	// Channel is #name. Default: the webhook's own.
	Channel string `yaml:"channel"`
}

// PagerDutyConfig is an integration of PagerDuty.
type PagerDutyConfig struct {
	// Key is the routing key. Required.
	Key Secret `yaml:"key"`
	// URL is that of the API, such as that of the service region in the EU. Default
	// https://events.pagerduty.com/v2/enqueue.
	URL string `yaml:"url"`
}

// OpsgenieConfig is an account of Opsgenie.
type OpsgenieConfig struct {
	// Key is that of the API. Required.
	Key Secret `yaml:"key"`
	// URL is that of the API, such as that of the EU. Default
	// https://api.opsgenie.com/.
	URL string `yaml:"url"`
}

// EmailConfig is where mail goes and by which server.
type EmailConfig struct {
	// To are the addresses. Required.
	To []string `yaml:"to"`
	// From is the sender's address. Required.
	From string `yaml:"from"`
	// Server is host:port of the mail server. Required.
	Server string `yaml:"server"`
	// Username is who logs in there. Default: nobody does.
	Username string `yaml:"username"`
	// Password goes with the username.
	Password Secret `yaml:"password"`
	// Plain sends without TLS where the server has none.
	Plain bool `yaml:"plain"`
}

// TelegramConfig is a chat of Telegram.
type TelegramConfig struct {
	// Token is that of a bot. Required.
	Token Secret `yaml:"token"`
	// Chat is the ID of the chat. Required.
	Chat int64 `yaml:"chat"`
	// URL is that of the API. Default https://api.telegram.org.
	URL string `yaml:"url"`
}

// ShortYAML lets a webhook's URL stand for the receiver.
func (ReceiverConfig) ShortYAML() string { return "webhook" }

// ShortYAML lets a webhook's URL stand for the channel.
func (SlackConfig) ShortYAML() string { return "url" }

// ShortYAML lets a routing key stand for the integration.
func (PagerDutyConfig) ShortYAML() string { return "key" }

// ShortYAML lets an API key stand for the account.
func (OpsgenieConfig) ShortYAML() string { return "key" }

// Tier is how urgent an alert is: P0, P1 or P2. It is the label "tier".
type Tier string

// The tiers.
const (
	P0 Tier = "P0" // a total outage
	P1 Tier = "P1" // users feel it
	P2 Tier = "P2" // it will hurt
)

// tiers are in the order of urgency.
var tiers = []Tier{P0, P1, P2}

func (c *Config) tier(t Tier) *TierConfig {
	switch t {
	case P0:
		return &c.P0
	case P1:
		return &c.P1
	}
	return &c.P2
}

// WithDefaults returns the Config with every zero field that has a default set
// to it, but for the receivers of tiers and the URL.
func (c Config) WithDefaults() Config {
	c.Every = cmp.Or(c.Every, 5*time.Second)
	c.P0 = c.P0.withDefaults(250*time.Millisecond, time.Second, 15*time.Minute)
	c.P1 = c.P1.withDefaults(15*time.Second, 10*time.Second, 4*time.Hour)
	c.P2 = c.P2.withDefaults(time.Minute, 5*time.Minute, 24*time.Hour)
	c.Outage = c.Outage.WithDefaults()
	c.Flap = c.Flap.WithDefaults()
	return c
}

func (c TierConfig) withDefaults(wait, interval, repeat time.Duration) TierConfig {
	if len(c.GroupBy) == 0 {
		c.GroupBy = []string{string(labelTier)}
	}
	c.GroupWait = cmp.Or(c.GroupWait, wait)
	c.GroupInterval = cmp.Or(c.GroupInterval, interval)
	c.NewsInterval = cmp.Or(c.NewsInterval, 30*time.Second)
	c.Repeat = cmp.Or(c.Repeat, repeat)
	if len(c.EscalateTo) > 0 {
		c.EscalateAfter = cmp.Or(c.EscalateAfter, 15*time.Minute)
	}
	return c
}

// WithDefaults returns the Config with every zero field set to its default.
func (c OutageConfig) WithDefaults() OutageConfig {
	c.After = cmp.Or(c.After, 1500*time.Millisecond)
	c.RequestsMin = cmp.Or(c.RequestsMin, 5)
	c.IdleAfter = cmp.Or(c.IdleAfter, 30*time.Second)
	return c
}

// WithDefaults returns the Config with every zero field set to its default.
func (c FlapConfig) WithDefaults() FlapConfig {
	c.Times = cmp.Or(c.Times, 3)
	c.Window = cmp.Or(c.Window, 15*time.Minute)
	c.Quiet = cmp.Or(c.Quiet, 5*time.Minute)
	return c
}

// Told lists who is told of a tier's alerts at first.
func (c *Config) Told(t Tier) []string {
	if to := c.tier(t).To; len(to) > 0 {
		return to
	}
	later := map[string]bool{}
	for _, t := range tiers {
		for _, name := range c.tier(t).EscalateTo {
			later[name] = true
		}
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Receivers)) {
		if !later[name] {
			names = append(names, name)
		}
	}
	return names
}

// Secret is text that is neither logged nor printed.
type Secret = secret.Text
