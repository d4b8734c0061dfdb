package tsdb

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	httpconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/afloat-dev/afloat/internal/secret"
)

// RemoteWriteConfig is a Prometheus, or what else takes its remote writes, that
// gets all samples too.
type RemoteWriteConfig struct {
	// URL of the receiver, such as https://prometheus.example/api/v1/write.
	// Required.
	URL string `yaml:"url"`
	// TokenFile holds what is sent as "Authorization: Bearer TOKEN". It is read
	// again when it changes. Default: none is sent.
	TokenFile string `yaml:"tokenFile"`
	// Username is sent with the password in PasswordFile. Default: none is.
	Username string `yaml:"username"`
	// PasswordFile is read again when it changes.
	PasswordFile string `yaml:"passwordFile"`
	// CA is a file with the certificates, in PEM, one of which must have signed
	// the receiver's. Default: those that this machine trusts.
	CA string `yaml:"ca"`
	// Headers are sent too, such as a tenant's name. They may hold keys, and are
	// not shown.
	Headers map[string]secret.Text `yaml:"headers"`
	// Keep is a regular expression for the whole names of the metrics that are
	// sent. Default: all are.
	Keep string `yaml:"keep"`
	// NativeHistograms are sent too, beside the classic ones.
	NativeHistograms bool `yaml:"nativeHistograms"`
	// Exemplars are sent too.
	Exemplars bool `yaml:"exemplars"`
	// Timeout ends a request. Default 10s.
	Timeout time.Duration `yaml:"timeout"`
}

// receiversMax bounds the receivers.
const receiversMax = 10

// WithDefaults returns the Config with every zero field that has a default set
// to it.
func (c RemoteWriteConfig) WithDefaults() RemoteWriteConfig {
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	return c
}

func (c RemoteWriteConfig) validate(want func(ok bool, field, format string, args ...any)) {
	u, err := url.Parse(c.URL)
	want(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "url", "want http://HOST/PATH or https://HOST/PATH")
	want(err != nil || u.User == nil, "url", "write the user as username and passwordFile")
	want(c.Username == "" || c.TokenFile == "", "username", "does not go together with tokenFile")
	want((c.Username == "") == (c.PasswordFile == ""), "passwordFile", "goes together with username")
	for name := range c.Headers {
		want(!strings.EqualFold(name, "Authorization"), "headers", "write %s as tokenFile, or as username and passwordFile", name)
	}
	_, err = regexp.Compile(c.Keep)
	want(err == nil, "keep", "is no regular expression: %v", err)
	d := c.WithDefaults().Timeout
	want(d >= 100*time.Millisecond && d <= 10*time.Minute, "timeout", "want 100ms to 10m, got %v", c.Timeout)
}

// What a receiver may cost here: samples that it does not take wait in the
// write-ahead log, not in memory.
const (
	shardsMax      = 4
	shardSamples   = 4000
	requestSamples = 2000
	requestDelay   = time.Second
	retryMin       = 100 * time.Millisecond
	retryMax       = 10 * time.Second
	flushMax       = 5 * time.Second
)

func (c RemoteWriteConfig) remote() (*config.RemoteWriteConfig, error) {
	c = c.WithDefaults()
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	out := config.DefaultRemoteWriteConfig
	out.URL = &httpconfig.URL{URL: u}
	out.RemoteTimeout = model.Duration(c.Timeout)
	out.Headers = make(map[string]string, len(c.Headers))
	for name, value := range c.Headers {
		out.Headers[name] = string(value)
	}
	out.ProtobufMessage = remoteapi.WriteV1MessageType // which every receiver knows
	out.SendNativeHistograms, out.SendExemplars = c.NativeHistograms, c.Exemplars
	out.MetadataConfig.Send = false // it is asked of what is scraped, and nothing is
	out.QueueConfig = config.QueueConfig{
		MinShards: 1, MaxShards: shardsMax, Capacity: shardSamples, MaxSamplesPerSend: requestSamples,
		BatchSendDeadline: model.Duration(requestDelay), MinBackoff: model.Duration(retryMin), MaxBackoff: model.Duration(retryMax),
		RetryOnRateLimit: true,
	}
	out.HTTPClientConfig.TLSConfig.CAFile = c.CA
	switch {
	case c.TokenFile != "":
		out.HTTPClientConfig.Authorization = &httpconfig.Authorization{Type: "Bearer", CredentialsFile: c.TokenFile}
	case c.Username != "":
		out.HTTPClientConfig.BasicAuth = &httpconfig.BasicAuth{Username: c.Username, PasswordFile: c.PasswordFile}
	}
	if c.Keep != "" {
		keep, err := relabel.NewRegexp(c.Keep)
		if err != nil {
			return nil, err
		}
		rule := relabel.DefaultRelabelConfig
		rule.Action, rule.Regex, rule.SourceLabels = relabel.Keep, keep, model.LabelNames{model.MetricNameLabel}
		rule.NameValidationScheme = model.UTF8Validation
		out.WriteRelabelConfigs = []*relabel.Config{&rule}
	}
	return &out, out.HTTPClientConfig.Validate()
}

// usable returns an error where a client cannot be made, as when a file is
// missing.
func (c RemoteWriteConfig) usable() error {
	r, err := c.remote()
	if err == nil {
		_, err = remote.NewWriteClient("", &remote.ClientConfig{URL: r.URL, Timeout: r.RemoteTimeout, HTTPClientConfig: r.HTTPClientConfig, WriteProtoMsg: r.ProtobufMessage})
	}
	if err != nil {
		return fmt.Errorf("remote write to %s: %w", c.URL, err)
	}
	return nil
}

// sender sends what is written to the log to the receivers; nil without any.
func (s *Store) sender(db *tsdb.DB) (*remote.WriteStorage, error) {
	if len(s.options.RemoteWrite) == 0 {
		return nil, nil
	}
	all := &config.Config{}
	for _, c := range s.options.RemoteWrite {
		one, err := c.remote()
		if err != nil {
			return nil, fmt.Errorf("remote write to %s: %w", c.URL, err)
		}
		all.RemoteWriteConfigs = append(all.RemoteWriteConfigs, one)
	}
	out := remote.NewWriteStorage(s.inner, s.options.Registerer, s.options.Dir, flushMax, nil, false)
	if err := out.ApplyConfig(all); err != nil {
		_ = out.Close() // the other error is the one to tell of
		return nil, fmt.Errorf("remote write: %w", err)
	}
	db.SetWriteNotified(out)
	return out, nil
}

// twice reports whether a receiver is named twice.
func twice(all []RemoteWriteConfig, i int) bool {
	return slices.ContainsFunc(all[:i], func(c RemoteWriteConfig) bool { return c.URL == all[i].URL })
}
