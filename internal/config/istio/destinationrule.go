package istio

import (
	"time"

	"github.com/afloat-dev/afloat/internal/config/kube/meta"
	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// DestinationRule says how the endpoints of a host are divided and protected.
type DestinationRule struct {
	Name          string
	Namespace     string
	Host          string
	TrafficPolicy *TrafficPolicy // nil where the document is silent
	Subsets       []Subset
}

// ReadDestinationRule reads a document for which [Reads] is true, verbatim,
// without environment variables.
func ReadDestinationRule(doc *yamltree.Document) (DestinationRule, yamltree.Problems) {
	var file struct {
		meta.Object `yaml:",inline"`
		Spec        destinationRuleSpec `yaml:"spec" required:"true"`
	}
	c := &checker{meta.Checker{Doc: doc, Problems: doc.Decode(&file, yamltree.Options{Verbatim: true})}}
	c.object(file.Object, KindDestinationRule)
	c.destinationRule(file.Spec)
	return DestinationRule{
		Name: file.Metadata.Name, Namespace: file.Metadata.Namespace,
		Host: file.Spec.Host, TrafficPolicy: file.Spec.TrafficPolicy, Subsets: file.Spec.Subsets,
	}, c.Problems
}

type destinationRuleSpec struct {
	Host          string         `yaml:"host" required:"true"`
	TrafficPolicy *TrafficPolicy `yaml:"trafficPolicy"`
	Subsets       []Subset       `yaml:"subsets"`
}

// Subset is a named part of a host's endpoints, such as a version.
type Subset struct {
	Name   string            `yaml:"name" required:"true"`
	Labels map[string]string `yaml:"labels"`
	// TrafficPolicy replaces that of the rule, part by part; nil means none.
	TrafficPolicy *TrafficPolicy `yaml:"trafficPolicy"`
}

// TrafficPolicy is how endpoints are picked and protected.
type TrafficPolicy struct {
	LoadBalancer     *LoadBalancer     `yaml:"loadBalancer"`
	ConnectionPool   *ConnectionPool   `yaml:"connectionPool"`
	OutlierDetection *OutlierDetection `yaml:"outlierDetection"`
	TLS              *ClientTLS        `yaml:"tls"`
}

// LoadBalancer picks an endpoint.
type LoadBalancer struct {
	Simple SimpleLB `yaml:"simple"`
	// ConsistentHash keeps requests with the same key at one endpoint; nil: none.
	ConsistentHash *ConsistentHash `yaml:"consistentHash"`
	Locality       *LocalityLB     `yaml:"localityLbSetting"`
	// WarmupDuration is the older form of Warmup.
	WarmupDuration time.Duration `yaml:"warmupDurationSecs" min:"1s"`
	Warmup         *Warmup       `yaml:"warmup"`
}

// ConsistentHash says what the key is, and how it is looked up. One key is set.
type ConsistentHash struct {
	HTTPHeaderName         string      `yaml:"httpHeaderName"`
	HTTPCookie             *HTTPCookie `yaml:"httpCookie"`
	UseSourceIP            bool        `yaml:"useSourceIp"`
	HTTPQueryParameterName string      `yaml:"httpQueryParameterName"`
	RingHash               *RingHash   `yaml:"ringHash"`
	Maglev                 *Maglev     `yaml:"maglev"`
}

// RingHash looks keys up on a ring. It is what there is without Maglev.
type RingHash struct{}

// Maglev looks keys up in a table.
type Maglev struct{}

// HTTPCookie is the name of a cookie.
type HTTPCookie struct {
	Name string        `yaml:"name" required:"true"`
	TTL  time.Duration `yaml:"ttl" min:"0s"`
}

// LocalityLB is whether requests stay in the zone that they came to.
type LocalityLB struct {
	Enabled *bool `yaml:"enabled"`
}

// Warmup is how long an endpoint that is new gets less than its share.
type Warmup struct {
	Duration time.Duration `yaml:"duration" required:"true" min:"1s"`
}

// SimpleLB is a way to pick without regard to the request. Empty and UNSPECIFIED
// mean Istio's default, which is LEAST_REQUEST.
type SimpleLB string

// The ways that are supported. LEAST_CONN is an old name of LEAST_REQUEST.
const (
	LBUnspecified  SimpleLB = "UNSPECIFIED"
	LBLeastConn    SimpleLB = "LEAST_CONN"
	LBRandom       SimpleLB = "RANDOM"
	LBPassthrough  SimpleLB = "PASSTHROUGH"
	LBRoundRobin   SimpleLB = "ROUND_ROBIN"
	LBLeastRequest SimpleLB = "LEAST_REQUEST"
)

// Enum lists Istio's words; the checks refuse PASSTHROUGH with its reason.
func (SimpleLB) Enum() []string {
	return []string{"LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "LEAST_CONN", "PASSTHROUGH", "UNSPECIFIED"}
}

// ConnectionPool bounds what goes to a host. Zero fields mean no bound.
type ConnectionPool struct {
	TCP  *TCPSettings  `yaml:"tcp"`
	HTTP *HTTPSettings `yaml:"http"`
}

// TCPSettings bound the connections to a host.
type TCPSettings struct {
	MaxConnections int32         `yaml:"maxConnections" min:"0"`
	ConnectTimeout time.Duration `yaml:"connectTimeout" min:"1ms"` // 0 means Istio's 10s
}

// HTTPSettings bound the requests to a host.
type HTTPSettings struct {
	// HTTP1MaxPendingRequests bounds the requests that wait for a connection.
	HTTP1MaxPendingRequests int32 `yaml:"http1MaxPendingRequests" min:"0"`
	// HTTP2MaxRequests bounds the requests under way, also those of HTTP/1.1.
	HTTP2MaxRequests int32 `yaml:"http2MaxRequests" min:"0"`
	// MaxRetries bounds the retries under way to all endpoints together.
	MaxRetries int32 `yaml:"maxRetries" min:"0"`
	// H2UpgradePolicy is whether endpoints are spoken to in HTTP/2.
	H2UpgradePolicy H2UpgradePolicy `yaml:"h2UpgradePolicy"`
}

// H2UpgradePolicy is Istio's word for it; empty means DEFAULT.
type H2UpgradePolicy string

// Enum lists Istio's words.
func (H2UpgradePolicy) Enum() []string { return []string{"DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"} }

// OutlierDetection ejects endpoints that fail.
type OutlierDetection struct {
	// ConsecutiveGatewayErrors counts 502, 503 and 504; nil or 0 turns it off.
	ConsecutiveGatewayErrors *uint32 `yaml:"consecutiveGatewayErrors"`
	// Consecutive5xxErrors counts every 5xx; nil means 5, and 0 turns it off.
	Consecutive5xxErrors *uint32 `yaml:"consecutive5xxErrors"`
	// Interval of the sweeps that readmit; 0 means 10s.
	Interval time.Duration `yaml:"interval" min:"1ms"`
	// BaseEjectionTime grows with each ejection; 0 means 30s.
	BaseEjectionTime time.Duration `yaml:"baseEjectionTime" min:"1ms"`
	// MaxEjectionPercent of the endpoints at a time; 0 means Istio's 10.
	MaxEjectionPercent int32 `yaml:"maxEjectionPercent" min:"0" max:"100"`
	// MinHealthPercent below which nothing is ejected any more; default 0.
	MinHealthPercent int32 `yaml:"minHealthPercent" min:"0" max:"100"`
}

// ClientTLS is how connections to the endpoints are encrypted.
type ClientTLS struct {
	Mode TLSMode `yaml:"mode"`
	// The files hold PEM.
	ClientCertificate  string   `yaml:"clientCertificate"`
	PrivateKey         string   `yaml:"privateKey"`
	CACertificates     string   `yaml:"caCertificates"`
	SubjectAltNames    []string `yaml:"subjectAltNames"`
	SNI                string   `yaml:"sni"`
	InsecureSkipVerify bool     `yaml:"insecureSkipVerify"`
}

// TLSMode is Istio's word for it; empty means DISABLE.
type TLSMode string

// Enum lists Istio's words; the checks refuse ISTIO_MUTUAL with the reason.
func (TLSMode) Enum() []string { return []string{"DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"} }
