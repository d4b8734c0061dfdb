package gateway

import (
	"slices"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/gateway/http1"
)

// cors is a compiled CORSConfig.
type cors struct {
	any         bool
	exact       []string
	below       []originBelow
	patterns    []textMatcher
	methods     string
	headers     string
	anyMethod   bool
	anyHeader   bool
	expose      []byte
	credentials bool
	maxAge      string // in seconds; empty: as long as browsers think
	passOthers  bool
}

// originBelow is an origin with a *: what stands before and after it.
type originBelow struct{ before, after string }

func newCORS(c *CORSConfig) *cors {
	if c == nil {
		return nil
	}
	k := &cors{
		credentials: c.Credentials, methods: strings.Join(c.Methods, ", "), headers: strings.Join(c.Headers, ", "),
		anyMethod: slices.Contains(c.Methods, "*"), anyHeader: slices.Contains(c.Headers, "*"),
		expose: []byte(strings.Join(c.ExposeHeaders, ", ")), passOthers: c.PassOthers,
	}
	if k.methods == "" {
		k.methods = "GET, HEAD, POST"
	}
	if c.MaxAge > 0 {
		k.maxAge = strconv.Itoa(int(c.MaxAge.Seconds()))
	}
	for _, o := range c.Origins {
		o = strings.ToLower(o)
		if before, after, wild := strings.Cut(o, "*"); o == "*" {
			k.any = true
		} else if wild {
			k.below = append(k.below, originBelow{before, after})
		} else {
			k.exact = append(k.exact, o)
		}
	}
	for _, p := range c.Patterns {
		m := newTextMatcher(p)
		m.bytePrefix = true
		k.patterns = append(k.patterns, m)
	}
	return k
}

// allows reports whether pages of the origin may use the route. Browsers send
// origins in lower case.
func (k *cors) allows(origin []byte) bool {
	if k.any || slices.Contains(k.exact, string(origin)) {
		return true
	}
	for _, b := range k.below {
		rest, ok := strings.CutPrefix(string(origin), b.before)
		name, end := strings.CutSuffix(rest, b.after)
		if ok && end && name != "" && !strings.ContainsAny(name, "/:@") {
			return true
		}
	}
	return slices.ContainsFunc(k.patterns, func(m textMatcher) bool { return m.matches(origin) })
}

// asked is the method that a preflight asks for; nil where the request is none.
func asked(r *http1.Request) []byte {
	if r.Method != "OPTIONS" || r.Get("Origin") == nil {
		return nil
	}
	return r.Get("Access-Control-Request-Method")
}

// preflight answers what a browser asks before it sends a page's request.
func (x *exchange) preflight(k *cors) (keep, done bool) {
	origin := x.request.Get("Origin")
	method := asked(&x.request)
	if method == nil {
		return false, false
	}
	allowed := k.allows(origin)
	if !allowed && k.passOthers {
		return false, false
	}
	a := &ownAnswer{status: 204}
	add := func(name, value string) {
		a.fields = append(a.fields, http1.Field{Name: []byte(name), Value: []byte(value)})
	}
	if allowed {
		if k.anyMethod {
			add("Access-Control-Allow-Methods", string(method))
		} else {
			add("Access-Control-Allow-Methods", k.methods)
		}
		if wanted := x.request.Get("Access-Control-Request-Headers"); k.anyHeader && wanted != nil {
			add("Access-Control-Allow-Headers", string(wanted))
		} else if !k.anyHeader && k.headers != "" {
			add("Access-Control-Allow-Headers", k.headers)
		}
		if k.maxAge != "" {
			add("Access-Control-Max-Age", k.maxAge)
		}
	}
	add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	x.record.Reason, x.record.Status = ReasonPreflight, a.status
	keep = x.client.answer(x, a)
	x.done()
	return keep, true
}

var (
	nameAllowOrigin      = []byte("Access-Control-Allow-Origin")
	nameAllowCredentials = []byte("Access-Control-Allow-Credentials")
	nameExposeHeaders    = []byte("Access-Control-Expose-Headers")
	nameVary             = []byte("Vary")
	valueOrigin          = []byte("Origin")
	valueAny             = []byte("*")
	valueTrue            = []byte("true")
)

// permit tells the client's browser which page may read the answer.
func (x *exchange) permit(k *cors) {
	origin := x.request.Get("Origin")
	open := k.any && !k.credentials
	if !open {
		x.extras.add(nameVary, valueOrigin)
	}
	if origin == nil || !k.allows(origin) {
		return
	}
	if open {
		origin = valueAny
	}
	x.extras.add(nameAllowOrigin, origin)
	if k.credentials {
		x.extras.add(nameAllowCredentials, valueTrue)
	}
	if len(k.expose) > 0 && asked(&x.request) == nil {
		x.extras.add(nameExposeHeaders, k.expose)
	}
}

// permission reports whether a field of the service's answer says what the
// route's cors says in its place.
func (x *exchange) permission(name []byte) bool {
	if len(name) < len("access-control-x") || x.route == nil || x.route.cors == nil || !names(name[:15], "access-control-") {
		return false
	}
	k := x.route.cors
	origin := x.request.Get("Origin")
	return !k.passOthers || origin != nil && k.allows(origin)
}
