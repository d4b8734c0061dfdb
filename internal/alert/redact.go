package alert

import (
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"

	"github.com/afloat-dev/afloat/internal/secret"
)

// redactor takes out of a receiver's errors what is secret: what the
// configuration calls so, and of each URL all but its host. What a server says
// may repeat a key, and the address of many a hook is one.
type redactor struct{ secrets []string }

const (
	secretBytesMin = 4  // what is shorter is no secret, but part of many a word
	tokenBytesMin  = 16 // of a part of a path: what is shorter may be a word, such as "services"
	secretsDepth   = 10
)

// webAddresses are URLs in a text: what comes before the host, the host, and the
// rest.
var webAddresses = regexp.MustCompile(`(https?://)([^/?#@\s"'\\]*@)?([^/?#\s"'\\]*)([^\s"'\\]*)`)

func newRedactor(r *amconfig.Receiver) *redactor {
	c := &redactor{}
	c.collect(reflect.ValueOf(r), secretsDepth)
	slices.SortFunc(c.secrets, func(x, y string) int { return len(y) - len(x) }) // one may be part of another
	return c
}

// collect finds the values whose type says that they are secret.
func (c *redactor) collect(v reflect.Value, depth int) {
	if depth == 0 || !v.IsValid() {
		return
	}
	named := strings.HasPrefix(v.Type().Name(), "Secret")
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			c.collect(v.Elem(), depth-1)
		}
	case reflect.String:
		if text := v.String(); named {
			c.add(text, url.PathEscape(text), url.QueryEscape(text))
			if u, err := url.Parse(text); err == nil && u.Host != "" {
				c.addURL(u)
			}
		}
	case reflect.Struct:
		if v.CanInterface() { // what a library keeps to itself is not
			if u, ok := v.Interface().(url.URL); ok {
				c.addURL(&u)
				return
			}
		}
		for i := range v.NumField() {
			c.collect(v.Field(i), depth-1)
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.collect(v.Index(i), depth-1)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			c.collect(v.MapIndex(key), depth-1)
		}
	}
}

func (c *redactor) add(secrets ...string) {
	for _, one := range secrets {
		if len(one) >= secretBytesMin {
			c.secrets = append(c.secrets, one)
		}
	}
}

// addURL adds what a server sees of a URL, and may repeat: all but its host.
func (c *redactor) addURL(u *url.URL) {
	c.add(u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery)
	for _, part := range strings.Split(u.Path, "/") {
		if len(part) >= tokenBytesMin {
			c.add(part)
		}
	}
	for _, values := range u.Query() {
		c.add(values...)
	}
	if password, ok := u.User.Password(); ok {
		c.add(password)
	}
}

// text takes out what is secret.
func (c *redactor) text(text string) string {
	text = webAddresses.ReplaceAllStringFunc(text, func(found string) string {
		m := webAddresses.FindStringSubmatch(found)
		if m[4] == "" || m[4] == "/" {
			return m[1] + m[3] + m[4]
		}
		return m[1] + m[3] + "/" + secret.Hidden
	})
	for _, one := range c.secrets {
		text = strings.ReplaceAll(text, one, secret.Hidden)
	}
	return text
}

// err is an error that says nothing secret.
func (c *redactor) err(err error) error {
	if err == nil {
		return nil
	}
	return &redacted{err, c.text(err.Error())}
}

// redacted is an error in other words.
type redacted struct {
	error
	text string
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.error }
