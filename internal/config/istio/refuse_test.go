package istio

import (
	"strings"
	"testing"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

// service is a good VirtualService around an http entry, which begins on line 7.
func service(http string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a]\n  http:\n  - " + http
}

// routed is service with a good route before the rest, which begins on line 8.
func routed(rest string) string {
	return service("route: [{destination: {host: a}}]\n    " + rest)
}

// rule is a good DestinationRule around a spec, whose rest begins on line 6.
func rule(rest string) string {
	return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec:\n  host: a\n  " + rest
}

const head = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"

func TestBadDocumentsAreRefusedInOneLine(t *testing.T) {
	tests := []struct{ yaml, want string }{
		// Typing mistakes.
		{routed("retriez: {attempts: 3}"), "f.yaml:8:5: spec.http[0].retriez: unknown field; did you mean retries?"},
		{service("route: [{destination: {host: a}, wieght: 90}]"), "f.yaml:7:38: spec.http[0].route[0].wieght: unknown field; did you mean weight?"},
		{routed("retries: {attempts: 1, perTryTimout: 1s}"), "f.yaml:8:28: spec.http[0].retries.perTryTimout: unknown field; did you mean perTryTimeout?"},
		{routed("retries: {attempts: 1, per_try_timeout: 1s}"), "f.yaml:8:28: spec.http[0].retries.per_try_timeout: unknown field; did you mean perTryTimeout?"},
		{routed("fault: {dealy: {fixedDelay: 1s}}"), "f.yaml:8:13: spec.http[0].fault.dealy: unknown field; did you mean delay?"},
		{routed("match: [{url: {exact: /}}]"), "f.yaml:8:14: spec.http[0].match[0].url: unknown field; did you mean uri?"},
		{routed("match: [{uri: {regexp: /}}]"), "f.yaml:8:20: spec.http[0].match[0].uri.regexp: unknown field; did you mean regex?"},
		{service("route: [{destination: {hots: a}}]"), "f.yaml:7:14: spec.http[0].route[0].destination.host: is required\nf.yaml:7:28: spec.http[0].route[0].destination.hots: unknown field; did you mean host?"},
		{head + "metdata: {name: a}\nspec: {hosts: [a], http: [{route: [{destination: {host: a}}]}]}", "f.yaml:1:1: metadata: is required\nf.yaml:3:1: metdata: unknown field; did you mean metadata?"},
		{rule("subset: [{name: v1}]"), "f.yaml:6:3: spec.subset: unknown field; did you mean subsets?"},
		{rule("trafficPolicy: {loadBalancer: {simple: ROUND_ROBBIN}}"), `f.yaml:6:42: spec.trafficPolicy.loadBalancer.simple: want LEAST_REQUEST, ROUND_ROBIN, RANDOM, LEAST_CONN, PASSTHROUGH or UNSPECIFIED, got the string "ROUND_ROBBIN"; did you mean ROUND_ROBIN?`},

		// Values that the official decoders let pass.
		{routed("retries: {attempts: -3}"), "f.yaml:8:25: spec.http[0].retries.attempts: want 0 or more, got -3"},
		{service("route: [{destination: {host: a}, weight: -80}]"), "f.yaml:7:46: spec.http[0].route[0].weight: want 0 or more, got -80"},
		{service("route:\n    - {destination: {host: a}, weight: 0}\n    - {destination: {host: b}}"), "f.yaml:7:5: spec.http[0].route: the weights of the 2 destinations add up to 0, so no request goes anywhere; give each a weight"},
		{service("route:\n    - {destination: {host: a}, weight: 90}\n    - {destination: {host: b}, weight: 90}"), "f.yaml:7:5: warning: spec.http[0].route: the weights add up to 180, not 100: shares are weight/180"},
		{service("route: [{destination: {host: 'http://a'}}]"), `f.yaml:7:34: spec.http[0].route[0].destination.host: "http://a" is not a host; write the name alone, without a scheme`},
		{service("route: [{destination: {host: 'a:80'}}]"), `f.yaml:7:34: spec.http[0].route[0].destination.host: "a:80" is not a host; write the name alone, without a port`},
		{service("route: [{destination: {host: '*.a'}}]"), `f.yaml:7:34: spec.http[0].route[0].destination.host: "*.a" is not a host; a destination is one host, without *`},
		{service("route: [{destination: {host: a_b}}]"), `f.yaml:7:34: spec.http[0].route[0].destination.host: "a_b" is not a host; write letters, digits and '-' between dots, or * as the first label of a name`},
		{service("route: [{destination: {host: a, subset: V_1}}]"), `f.yaml:7:45: spec.http[0].route[0].destination.subset: "V_1" is not the name of a subset; write at most 63 lower-case letters, digits and '-'`},
		{service("route: [{destination: {host: a, port: {number: 70000}}}]"), "f.yaml:7:52: spec.http[0].route[0].destination.port.number: want 65535 or less, got 70000"},
		{service("route: [{destination: {host: a, port: {name: http}}}]"), "f.yaml:7:37: spec.http[0].route[0].destination.port.number: is required\nf.yaml:7:44: spec.http[0].route[0].destination.port.name: Istio has dropped ports by name; write number"},
		{strings.Replace(routed(""), "hosts: [a]", "hosts: [a/b]", 1), `f.yaml:5:11: spec.hosts[0]: "a/b" is not a host; write the name alone, without a path or namespace`},
		{strings.Replace(routed(""), "hosts: [a]", "hosts: [a, A]", 1), `f.yaml:5:14: spec.hosts[1]: "A" stands twice; keep one of them`},
		{strings.Replace(routed(""), "hosts: [a]", "hosts: []", 1), `f.yaml:5:10: spec.hosts: want at least one host; write ["*"] for all`},
		{strings.Replace(routed(""), "hosts: [a]", "hosts: a", 1), `f.yaml:5:10: spec.hosts: want a list, got the string "a"; write [a]`},
		{strings.Replace(routed(""), "name: a", "name: A_b", 1), `f.yaml:3:18: metadata.name: "A_b" is not a valid name; write lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit`},
		{strings.Replace(routed(""), "istio.io/v1", "istio.io/v2", 1), "f.yaml:1:13: apiVersion: this version is not known: networking.istio.io/v2; write networking.istio.io/v1"},
		{strings.Replace(routed(""), "kind: VirtualService", "kind: Gateway", 1), "f.yaml:2:7: kind: want VirtualService, got Gateway"},
		{head + "metadata: {name: a}\nspec: {hosts: [a]}", "f.yaml:4:1: spec.http: is required: without a route no request goes anywhere"},
		{head + "metadata: {name: a}", "f.yaml:1:1: spec: is required"},
		{service("timeout: 1s"), "f.yaml:7:5: spec.http[0].route: is required"},
		{service("route: []"), "f.yaml:7:12: spec.http[0].route: want at least one destination"},
		{routed("fault: {delay: {fixedDelay: 5s, percentage: {value: 101}}}"), "f.yaml:8:57: spec.http[0].fault.delay.percentage.value: want 100 or less, got 101"},
		{routed("fault: {delay: {fixedDelay: 5s, percentage: {value: 0.00001}}}"), "f.yaml:8:57: spec.http[0].fault.delay.percentage.value: want 0, or 0.0001 to 100, got 1e-05"},
		{routed("fault: {delay: {fixedDelay: 5s, percentage: 10}}"), "f.yaml:8:49: spec.http[0].fault.delay.percentage: want a map, got 10"},
		{routed("fault: {delay: {percentage: {value: 1}}}"), "f.yaml:8:13: spec.http[0].fault.delay.fixedDelay: is required"},
		{routed("fault: {delay: {fixedDelay: 5s}}"), "f.yaml:8:20: warning: spec.http[0].fault.delay: without a percentage no request is delayed; add percentage: {value: 100} to delay all"},
		{routed("fault: {delay: {fixedDelay: 5s, percent: 5}}"), "f.yaml:8:46: warning: spec.http[0].fault.delay.percent: Istio has deprecated this field; write percentage: {value: 5}"},
		{routed("fault: {delay: {fixedDelay: 0.1ms, percent: -5}}"), "f.yaml:8:33: spec.http[0].fault.delay.fixedDelay: want a duration of 1ms or more, got the string \"0.1ms\"\nf.yaml:8:49: spec.http[0].fault.delay.percent: want 0 or more, got -5"},
		{routed("fault: {abort: {httpStatus: 99, percentage: {value: 1}}}"), "f.yaml:8:33: spec.http[0].fault.abort.httpStatus: want 200 or more, got 99"},
		{routed("fault: {}"), "f.yaml:8:12: spec.http[0].fault: want a delay or an abort"},
		{routed("timeout: 5"), "f.yaml:8:14: spec.http[0].timeout: want a duration such as 500ms, got 5; write 5s"},
		{routed("timeout: -5s"), `f.yaml:8:14: spec.http[0].timeout: want a duration of 1ms or more, got the string "-5s"`},
		{routed("timeout: [5s]"), "f.yaml:8:14: spec.http[0].timeout: want a duration such as 500ms, got a list"},
		{routed("retries: 3"), "f.yaml:8:14: spec.http[0].retries: want a map, got 3"},
		{routed("retries: {attempts: three}"), `f.yaml:8:25: spec.http[0].retries.attempts: want a whole number, got the string "three"`},
		{routed("retries: {perTryTimeout: 1s}"), "f.yaml:8:14: spec.http[0].retries: attempts is 0, which turns retries off, yet they are described; write attempts, or attempts: 0 alone"},
		{routed("retries: {attempts: 1, retryOn: '5xx,gateway-eror'}"), `f.yaml:8:37: spec.http[0].retries.retryOn: "gateway-eror" is not a condition for retries; did you mean gateway-error?`},
		{routed("retries: {attempts: 1, retryOn: '999'}"), `f.yaml:8:37: spec.http[0].retries.retryOn: "999" is not a condition for retries; known are 5xx, gateway-error, reset, reset-before-request, connect-failure, envoy-ratelimited, retriable-4xx, refused-stream, retriable-status-codes, retriable-headers, http3-post-connect-failure, cancelled, deadline-exceeded, internal, resource-exhausted, unavailable and status codes`},
		{routed("retries: {attempts: 1, perTryTimeout: 5s}\n    timeout: 2s"), "f.yaml:8:43: warning: spec.http[0].retries.perTryTimeout: is never reached: the route's timeout of 2s comes first"},
		{routed("retries: {attempts: 2147483647, perTryTimeout: 2540400h}\n    timeout: 2540400h"), "f.yaml:8:14: warning: spec.http[0].retries: 2147483648 tries of up to 2540400h0m0s do not fit into the route's timeout of 2540400h0m0s, which ends the last ones early"},
		{routed("timeout: 1s\n    timeout: 2s"), "f.yaml:9:5: spec.http[0].timeout: the key stands twice, first on line 8; keep one of them"},
		{routed("match: [{uri: {exact: /a, prefix: /b}}]"), "f.yaml:8:19: spec.http[0].match[0].uri: want only one of exact, prefix and regex; keep one of them"},
		{routed("match: [{uri: {}}]"), "f.yaml:8:19: spec.http[0].match[0].uri: want one of exact, prefix and regex"},
		{routed("match: [{uri: {regex: '('}}]"), "f.yaml:8:27: spec.http[0].match[0].uri.regex: not a regular expression in RE2 syntax: missing closing ): `(`"},
		{routed("match: [{uri: {regex: '(?=a)'}}]"), "f.yaml:8:27: spec.http[0].match[0].uri.regex: not a regular expression in RE2 syntax: invalid or unsupported Perl syntax: `(?=`"},
		{routed("match: [{uri: /a}]"), `f.yaml:8:19: spec.http[0].match[0].uri: want a map, got the string "/a"`},
		{routed("match: [{method: {prefix: ''}}]"), "f.yaml:8:31: spec.http[0].match[0].method.prefix: is empty; write {} for mere presence, or remove it"},
		{routed("match: [{headers: {'x y': {exact: a}}}]"), `f.yaml:8:31: spec.http[0].match[0].headers["x y"]: "x y" is not the name of a header`},
		{routed("match: [{headers: {uri: {exact: a}}}]"), "f.yaml:8:29: spec.http[0].match[0].headers.uri: Istio ignores this key among headers; move it one level up"},
		{routed("match: [{headers: {x: {exact: 5}}}]"), `f.yaml:8:35: spec.http[0].match[0].headers.x.exact: want a string, got 5; write "5" in quotes`},
		{routed("match: {uri: {exact: /a}}"), "f.yaml:8:12: spec.http[0].match: want a list, got a map"},
		{routed("\n  - route: [{destination: {host: b}}]"), "f.yaml:7:5: warning: spec.http[0]: takes every request, so the routes after it are never reached (1); move it to the end or give it a match"},

		// Known fields that are not supported.
		{routed("corsPolicy: {allowOrigin: [a]}"), "f.yaml:8:18: spec.http[0].corsPolicy.allowOrigin: Istio has deprecated this field; write allowOrigins: [{exact: ...}]"},
		{routed("corsPolicy: {}"), "f.yaml:8:17: spec.http[0].corsPolicy: allows no origin, so it only takes away what services say; write allowOrigins: [{exact: https://shop.example}]"},
		{routed("corsPolicy: {allowOrigins: [{}]}"), "f.yaml:8:33: spec.http[0].corsPolicy.allowOrigins[0]: want one of exact, prefix and regex"},
		{routed("corsPolicy: {allowOrigins: [{exact: a}], allowMethods: [A B]}"), `f.yaml:8:61: spec.http[0].corsPolicy.allowMethods[0]: "A B" is not a name`},
		{routed("delegate: {name: b}"), "f.yaml:8:5: spec.http[0].delegate: not supported yet: routes are not taken from another VirtualService; remove it"},

		// What contradicts itself.
		{routed("redirect: {uri: /}"), "f.yaml:7:5: spec.http[0]: want one of route, redirect and directResponse; keep one of them"},
		{service("redirect: {uri: /}\n    mirror: {host: b}"), "f.yaml:7:5: spec.http[0]: rewrite and mirror are for requests that go to a destination; remove them"},
		{service("redirect: {uri: a}"), `f.yaml:7:21: spec.http[0].redirect.uri: want a path that begins with a slash, got "a"`},
		{service("redirect: {redirectCode: 200}"), "f.yaml:7:30: spec.http[0].redirect.redirectCode: want 301, 302, 303, 307 or 308, got 200"},
		{service("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}"), "f.yaml:7:15: spec.http[0].redirect: want one of port and derivePort; keep one of them"},
		{routed("rewrite: {}"), "f.yaml:8:14: spec.http[0].rewrite: want uri, authority or uriRegexRewrite"},
		{routed("rewrite: {uriRegexRewrite: {match: '('}}"), "f.yaml:8:40: spec.http[0].rewrite.uriRegexRewrite.match: not a regular expression in RE2 syntax: missing closing ): `(`"},
		{routed("mirror: {host: b}\n    mirrorPercent: 5"), "f.yaml:9:20: warning: spec.http[0].mirrorPercent: Istio has deprecated this field; write mirrorPercentage: {value: 5}"},
		{rule("trafficPolicy: {loadBalancer: {consistentHash: {}}}"), "f.yaml:6:50: spec.trafficPolicy.loadBalancer.consistentHash: want one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName"},
		{rule("trafficPolicy: {tls: {mode: MUTUAL}}"), "f.yaml:6:24: spec.trafficPolicy.tls: MUTUAL wants clientCertificate and privateKey; name their files"},
		{rule("trafficPolicy: {tls: {mode: SIMPLE, subjectAltNames: ['spiffe://a/b']}}"), "f.yaml:6:56: spec.trafficPolicy.tls.subjectAltNames: SPIFFE IDs want caCertificates, which vouch for them; name their file"},
		{routed("match: [{port: 80}]"), "f.yaml:8:14: warning: spec.http[0].match[0].port: ignored: requests match on every port that Afloat listens on"},
		{routed("match: [{sourceLabels: {app: a}}]"), "f.yaml:8:14: spec.http[0].match[0].sourceLabels: not supported yet: clients have no labels here, so the match would be wider; remove it"},
		{routed("fault: {abort: {grpcStatus: NOT_FOUND, percentage: {value: 1}}}"), "f.yaml:8:13: spec.http[0].fault.abort.httpStatus: is required\nf.yaml:8:21: spec.http[0].fault.abort.grpcStatus: not supported yet: requests are not aborted with a gRPC status; remove it"},
		{head + "metadata: {name: a}\nspec: {hosts: [a], tcp: [{route: [{destination: {host: a}}]}]}", "f.yaml:4:20: spec.tcp: not supported yet: TCP is routed by an afloat.yaml; write listeners: [{tcp: {service: NAME}}] there"},
		{strings.Replace(routed(""), "hosts: [a]", "hosts: [a]\n  gateways: [g]", 1), "f.yaml:6:3: warning: spec.gateways: ignored: Afloat is the one gateway"},
		{rule("trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"), "f.yaml:6:31: spec.trafficPolicy.tls.mode: there is no mesh whose certificates could be shown; write MUTUAL with certificates of afloat ca"},
		{rule("trafficPolicy: {loadBalancer: {localityLbSetting: {failoverPriority: [a]}}}"), "f.yaml:6:54: spec.trafficPolicy.loadBalancer.localityLbSetting.failoverPriority: not supported yet: endpoints say their priority themselves; remove it"},
		{rule("trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}"), "f.yaml:6:42: spec.trafficPolicy.loadBalancer.simple: PASSTHROUGH is not supported: requests go to known endpoints only; write LEAST_REQUEST"},
		{rule("trafficPolicy: {outlierDetection: {consecutiveErrors: 5}}"), "f.yaml:6:38: spec.trafficPolicy.outlierDetection.consecutiveErrors: Istio has deprecated this field; write consecutiveGatewayErrors or consecutive5xxErrors"},
		{rule("trafficPolicy: {outlierDetection: {maxEjectionPercent: 150}}"), "f.yaml:6:58: spec.trafficPolicy.outlierDetection.maxEjectionPercent: want 100 or less, got 150"},
		{rule("trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: -1}}}"), "f.yaml:6:68: spec.trafficPolicy.connectionPool.http.http1MaxPendingRequests: want 0 or more, got -1"},
		{rule("subsets: [{name: v1}, {name: v1}]"), `f.yaml:6:32: spec.subsets[1].name: the subset "v1" stands twice; keep one of them`},
		{rule("subsets: [{labels: {'a b': c}}]"), "f.yaml:6:13: spec.subsets[0].name: is required\nf.yaml:6:30: spec.subsets[0].labels[\"a b\"]: not a valid label key; write letters, digits, '-', '_' and '.', after an optional domain and '/'"},
	}
	for _, tt := range tests {
		doc := document(t, "f.yaml", tt.yaml)
		var problems yamltree.Problems
		if strings.Contains(tt.yaml, "kind: DestinationRule") {
			_, problems = ReadDestinationRule(doc)
		} else {
			_, problems = ReadVirtualService(doc)
		}
		if got := problems.Error(); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.yaml, got, tt.want)
		}
	}
	if len(tests) < 60 {
		t.Errorf("only %d bad documents", len(tests))
	}
}

func FuzzRead(f *testing.F) {
	f.Add(routed("retries: {attempts: 3}"))
	f.Add(rule("subsets: [{name: v1}]"))
	f.Add(routed("match: [{withoutHeaders: {a: {regex: '*'}}}]"))
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := yamltree.Parse("f.yaml", []byte(text))
		for _, doc := range docs {
			_, a := ReadVirtualService(doc)
			_, b := ReadDestinationRule(doc)
			for _, p := range append(a, b...) {
				if p.Line < 1 || p.Column < 1 {
					t.Errorf("no place: %v", p)
				}
			}
		}
	})
}
