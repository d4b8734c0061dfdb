package gatewayapi

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

func document(t *testing.T, text string) *yamltree.Document {
	t.Helper()
	docs, err := yamltree.Parse("f.yaml", []byte(text))
	if err != nil || len(docs) != 1 {
		t.Fatalf("%v, %d documents\n%s", err, len(docs), text)
	}
	return docs[0]
}

func TestHTTPRouteWithEverything(t *testing.T) {
	doc := document(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: prod}
spec:
  parentRefs: [{name: gate}]
  hostnames: [shop.example.com, "*.shop.example.com"]
  rules:
  - name: api
    matches:
    - path: {type: PathPrefix, value: /api}
      method: GET
      headers: [{name: X-Version, value: "2"}, {type: RegularExpression, name: x-user, value: "a.*"}]
      queryParams: [{name: debug, value: "1"}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: X-A, value: a}], add: [{name: X-B, value: b}], remove: [X-C]}
    - type: RequestMirror
      requestMirror: {backendRef: {name: shadow, port: 80}, fraction: {numerator: 1, denominator: 1000}}
    - type: URLRewrite
      urlRewrite: {hostname: inner.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
    backendRefs:
    - {name: web, port: 8080, weight: 90}
    - {group: "", kind: Service, name: next, port: 8080, weight: 10}
    timeouts: {request: 10s, backendRequest: 2s}
    retry: {codes: [500, 503], attempts: 2, backoff: 100ms}
    sessionPersistence: {sessionName: who, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}
  - matches: [{path: {type: Exact, value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}]
`)
	if !Reads(doc) {
		t.Fatal("Reads is false")
	}
	got, problems := ReadHTTPRoute(doc)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	request, try := 10*time.Second, 2*time.Second
	want := HTTPRoute{Name: "shop", Namespace: "prod", Hostnames: []string{"shop.example.com", "*.shop.example.com"}, Rules: []HTTPRule{
		{
			Name: "api",
			Matches: []HTTPMatch{{
				Path: &PathMatch{Type: PathPrefix, Value: new("/api")}, Method: "GET",
				Headers:     []ValueMatch{{Name: "X-Version", Value: "2"}, {Type: ValueRegex, Name: "x-user", Value: "a.*"}},
				QueryParams: []ValueMatch{{Name: "debug", Value: "1"}},
			}},
			Filters: []Filter{
				{Type: FilterRequestHeader, RequestHeader: &HeaderModifier{Set: []Header{{"X-A", "a"}}, Add: []Header{{"X-B", "b"}}, Remove: []string{"X-C"}}},
				{Type: FilterMirror, Mirror: &Mirror{BackendRef: Ref{Name: "shadow", Port: 80}, Fraction: &Fraction{1, new(int32(1000))}}},
				{Type: FilterRewrite, Rewrite: &Rewrite{Hostname: "inner.example", Path: &PathModifier{Type: ReplacePrefixMatch, ReplacePrefixMatch: new("/")}}},
			},
			BackendRefs:        []Backend{{Ref: Ref{Name: "web", Port: 8080}, Weight: new(int32(90))}, {Ref: Ref{Kind: "Service", Name: "next", Port: 8080}, Weight: new(int32(10))}},
			Timeouts:           &Timeouts{&request, &try},
			Retry:              &Retry{Codes: []int{500, 503}, Attempts: new(2), Backoff: 100 * time.Millisecond},
			SessionPersistence: &SessionPersistence{SessionName: "who", AbsoluteTimeout: time.Hour, CookieConfig: &CookieConfig{"Permanent"}},
		},
		{
			Matches: []HTTPMatch{{Path: &PathMatch{Type: PathExact, Value: new("/old")}}},
			Filters: []Filter{{Type: FilterRedirect, Redirect: &Redirect{Scheme: "https", StatusCode: 301}}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if share := got.Rules[0].Filters[1].Mirror.Share(); share != 0.001 {
		t.Errorf("%v of the requests are mirrored", share)
	}
}

func TestGRPCRouteIsOneOfPaths(t *testing.T) {
	doc := document(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: users}
spec:
  rules:
  - matches:
    - {method: {service: users.v1.Users, method: Get}}
    - {method: {service: users.v1.Users}, headers: [{name: x-version, value: "2"}]}
    - {method: {method: Ping}}
    - {method: {type: RegularExpression, service: "users[.].*"}}
    - {}
    backendRefs: [{name: users, port: 50051}]
`)
	if !Reads(doc) {
		t.Fatal("Reads is false")
	}
	got, problems := ReadGRPCRoute(doc)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var paths []string
	for _, m := range got.HTTP().Rules[0].Matches {
		paths = append(paths, string(m.Path.Kind())+" "+m.Path.Text())
	}
	want := []string{"Exact /users.v1.Users/Get", "PathPrefix /users.v1.Users", "RegularExpression /[^/]+/Ping", "RegularExpression /(?:users[.].*)/[^/]+", "PathPrefix /"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
}

func TestMatchesGoInTheAPIsOrder(t *testing.T) {
	path := func(kind PathMatchType, text string) *PathMatch { return &PathMatch{kind, &text} }
	one := []ValueMatch{{Name: "a", Value: "b"}}
	want := []HTTPMatch{
		{Path: path(PathExact, "/a")},
		{Path: path(PathRegex, "/a.*")},
		{Path: path(PathPrefix, "/a/b")},
		{Path: path(PathPrefix, "/a"), Method: "GET"},
		{Path: path(PathPrefix, "/a"), Headers: one, QueryParams: one},
		{Path: path(PathPrefix, "/a"), Headers: one},
		{Path: path(PathPrefix, "/a"), QueryParams: one},
		{Path: path(PathPrefix, "/a")},
		{},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortStableFunc(got, func(a, b HTTPMatch) int { return a.Compare(&b) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The field names of kubernetes-sigs/gateway-api, apis/v1, as JSON spells them,
// those of the experimental channel included.
func TestEveryFieldOfTheAPIIsKnown(t *testing.T) {
	for _, tt := range []struct {
		into   any
		fields string
	}{
		{&httpRouteSpec{}, "parentRefs useDefaultGateways hostnames rules"},
		{&grpcRouteSpec{}, "parentRefs useDefaultGateways hostnames rules"},
		{&ParentRef{}, "group kind namespace name sectionName port"},
		{&HTTPRule{}, "name matches filters backendRefs timeouts retry sessionPersistence"},
		{&GRPCRule{}, "name matches filters backendRefs sessionPersistence"},
		{&HTTPMatch{}, "path headers queryParams method"},
		{&GRPCMatch{}, "method headers"},
		{&MethodMatch{}, "type service method"},
		{&PathMatch{}, "type value"},
		{&ValueMatch{}, "type name value"},
		{&Filter{}, "type requestHeaderModifier responseHeaderModifier requestMirror requestRedirect urlRewrite cors externalAuth extensionRef"},
		{&HeaderModifier{}, "set add remove"},
		{&Header{}, "name value"},
		{&Mirror{}, "backendRef percent fraction"},
		{&Fraction{}, "numerator denominator"},
		{&Redirect{}, "scheme hostname path port statusCode"},
		{&Rewrite{}, "hostname path"},
		{&PathModifier{}, "type replaceFullPath replacePrefixMatch"},
		{&Backend{}, "group kind name namespace port weight filters"},
		{&Timeouts{}, "request backendRequest"},
		{&Retry{}, "codes attempts backoff"},
		{&SessionPersistence{}, "sessionName absoluteTimeout idleTimeout type cookieConfig"},
		{&CookieConfig{}, "lifetimeType"},
	} {
		for _, name := range append(strings.Fields(tt.fields), "noSuchField") {
			problems := document(t, name+": ~").Decode(tt.into, yamltree.Options{})
			if got := strings.Contains(problems.Error(), "unknown field"); got != (name == "noSuchField") {
				t.Errorf("%T: %s: unknown is %t", tt.into, name, got)
			}
		}
	}
}

// rule is a good HTTPRoute around a rule, which begins on line 6.
func rule(text string) string {
	return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n  rules:\n  - " + text
}

// to is rule with a good backend before the rest, which begins on line 7.
func to(rest string) string { return rule("backendRefs: [{name: a, port: 80}]\n    " + rest) }

func grpc(match string) string {
	return strings.Replace(to("matches: ["+match+"]"), "HTTPRoute", "GRPCRoute", 1)
}

func TestBadRoutesAreRefusedInOneLine(t *testing.T) {
	filter := func(text string) string { return to("filters: [{" + text + "}]") }
	for _, tt := range []struct{ yaml, want string }{
		// Typing mistakes.
		{to("matchs: [{path: {value: /}}]"), "f.yaml:7:5: spec.rules[0].matchs: unknown field; did you mean matches?"},
		{to("matches: [{path: {type: Prefix, value: /}}]"), `f.yaml:7:29: spec.rules[0].matches[0].path.type: want Exact, PathPrefix or RegularExpression, got the string "Prefix"`},
		{filter("type: HeaderModifier"), `f.yaml:7:22: spec.rules[0].filters[0].type: want RequestHeaderModifier, ResponseHeaderModifier, RequestMirror, RequestRedirect, URLRewrite, CORS, ExternalAuth or ExtensionRef, got the string "HeaderModifier"`},
		{rule("backendRefs: [{name: a, port: 80, wieght: 1}]"), "f.yaml:6:39: spec.rules[0].backendRefs[0].wieght: unknown field; did you mean weight?"},
		{to("retry: {codes: [503], attempt: 2}"), "f.yaml:7:27: spec.rules[0].retry.attempt: unknown field; did you mean attempts?"},

		// What the API's own validation refuses.
		{rule("name: x"), "f.yaml:6:5: spec.rules[0]: sends requests nowhere: every one of them would be answered with 500; write backendRefs: [{name: SERVICE, port: PORT}]"},
		{"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: {hostnames: [a]}", "f.yaml:4:7: spec: has no rules"},
		{rule("backendRefs: [{name: a}]"), "f.yaml:6:19: spec.rules[0].backendRefs[0]: a Service needs its port"},
		{rule("backendRefs: [{name: a, kind: Bucket, group: cloud, port: 80}]"), "f.yaml:6:19: spec.rules[0].backendRefs[0]: only Services are backends, got cloud/Bucket"},
		{to("matches: [{path: {value: api}}]"), `f.yaml:7:30: spec.rules[0].matches[0].path.value: want a path that begins with a slash, got "api"; write "/api"`},
		{to("matches: [{path: {value: /a/../b}}]"), `never matches: such paths are normalized first`},
		{to("matches: [{path: {type: RegularExpression, value: '('}}]"), "not a regular expression in RE2 syntax: missing closing )"},
		{to("matches: [{method: get}]"), `f.yaml:7:24: spec.rules[0].matches[0].method: "get" is not a method; did you mean GET?`},
		{to("matches: [{headers: [{name: ':path', value: a}]}]"), `":path" is not the name of a header`},
		{to("matches: [{headers: [{name: A, value: a}, {name: a, value: b}]}]"), "warning: spec.rules[0].matches[0].headers[1].name: \"a\" stands twice: only the first counts"},
		{to("timeouts: {request: 1s, backendRequest: 2s}"), "f.yaml:7:45: spec.rules[0].timeouts.backendRequest: a try may not take longer than the request's 1s"},
		{to("retry: {codes: [200]}"), "want a status from 400 to 599, got 200"},
		{strings.Replace(to(""), "  rules:", "  hostnames: ['a:80', 10.0.0.1]\n  rules:", 1), `f.yaml:5:15: spec.hostnames[0]: "a:80" is not a hostname; write the name alone, without a port or scheme`},
		{to("filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]"), "f.yaml:6:18: spec.rules[0].backendRefs: a rule that redirects sends no request anywhere"},
		{filter("type: URLRewrite"), "f.yaml:7:15: spec.rules[0].filters[0]: wants urlRewrite"},
		{filter("type: URLRewrite, requestMirror: {backendRef: {name: a, port: 1}}"), "is for the type RequestMirror, and this is URLRewrite"},
		{to("filters: [{type: URLRewrite, urlRewrite: {hostname: a}}, {type: URLRewrite, urlRewrite: {hostname: b}}]"), "spec.rules[0].filters[1]: a second URLRewrite"},
		{filter("type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}"), "replaces a prefix, so the rule needs exactly one match, of type PathPrefix"},
		{filter("type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: a}}"), `"a" is not a path`},
		{filter("type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: b}], remove: [a]}"), `"a" is changed twice`},
		{filter("type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, percent: 1, fraction: {numerator: 1}}"), "want one of percent and fraction"},
		{filter("type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, fraction: {numerator: 101}}"), "is more than all"},
		{rule("filters: [{type: RequestRedirect, requestRedirect: {statusCode: 200}}]"), "want 301, 302, 303, 307 or 308, got 200"},
		{grpc("{method: {}}"), "f.yaml:7:24: spec.rules[0].matches[0].method: want a service, a method, or both"},
		{grpc("{method: {service: a-b}}"), `"a-b" is not the name of a gRPC service`},
		{strings.Replace(filter("type: URLRewrite, urlRewrite: {hostname: a}"), "HTTPRoute", "GRPCRoute", 1), "calls of gRPC have no URLRewrite"},

		// What has no counterpart.
		{filter("type: CORS"), "wants cors"},
		{filter("type: ExtensionRef, extensionRef: {group: a, kind: b, name: c}"), "not supported yet: there are no extensions; remove it"},
		{to("sessionPersistence: {idleTimeout: 1h}"), "warning: spec.rules[0].sessionPersistence.idleTimeout: ignored: a session ends with its absolute timeout, or with its endpoint"},
	} {
		doc := document(t, tt.yaml)
		_, problems := ReadHTTPRoute(doc)
		if doc.Kind() == KindGRPCRoute {
			_, problems = ReadGRPCRoute(doc)
		}
		if !strings.Contains(problems.Error(), tt.want) || strings.Count(problems.Error(), "\n") > 1 {
			t.Errorf("%s\ngot  %v\nwant %s", tt.yaml, problems, tt.want)
		}
	}
}

// FuzzRead: whatever a document says, reading it ends, and what has no errors
// can be put in order.
func FuzzRead(f *testing.F) {
	f.Add(to("matches: [{path: {value: /a}}]"))
	f.Add(grpc("{method: {service: a}}"))
	f.Add(rule("filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /}}}]"))
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := yamltree.Parse("f.yaml", []byte(text))
		if err != nil {
			return
		}
		for _, doc := range docs {
			read, problems := ReadHTTPRoute(doc)
			if grpc, other := ReadGRPCRoute(doc); doc.Kind() == KindGRPCRoute {
				read, problems = grpc.HTTP(), other
			}
			for _, r := range read.Rules {
				for i := range r.Matches {
					if problems.Err() == nil && r.Matches[i].Compare(&r.Matches[0]) != -r.Matches[0].Compare(&r.Matches[i]) {
						t.Errorf("no order: %+v", r.Matches)
					}
				}
			}
		}
	})
}
