package supervise

import (
	"fmt"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
)

// markerName is the variable by which the processes of a replica are known: instance/service/id.
const markerName = "AFLOAT_REPLICA"

// loopback is the one address that replicas are told to serve on.
const loopback = "127.0.0.1"

// environment holds the variables of one replica.
type environment map[string]string

// newEnvironment is what inherited, the service's Env and the ports come to. Values of Env may refer to everything
// else, and to each other; a circle of references stays as it is written.
func newEnvironment(inherited []string, own map[string]string, marker string, declared, ports []int) environment {
	env := environment{}
	for _, entry := range inherited {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			env[name] = value
		}
	}
	env[markerName] = marker
	for i, port := range ports {
		if i == 0 {
			env["PORT"] = strconv.Itoa(port)
		}
		if i < len(declared) {
			env[fmt.Sprintf("PORT_%d", declared[i])] = strconv.Itoa(port)
		}
	}
	resolver := resolver{own: own, base: env, busy: map[string]bool{}, done: map[string]string{}}
	for _, name := range sortedKeys(own) {
		resolver.lookup(name)
	}
	for name, value := range resolver.done {
		env[name] = value
	}
	return env
}

// environmentOf is that of a replica: what Afloat has, the account's, the files' and the Config's, each winning over
// those before.
func environmentOf(c Config, a account, marker string, ports []int) (environment, error) {
	files, err := readEnvFiles(c.EnvFiles, c.Dir)
	if err != nil {
		return nil, err
	}
	base := inherited()
	for _, more := range []map[string]string{a.variables, files} {
		for name, value := range more {
			base = append(base, name+"="+value)
		}
	}
	return newEnvironment(base, c.Env, marker, c.Ports, ports), nil
}

// expand replaces $(NAME) in each of argv.
func (e environment) expand(argv []string) []string {
	out := make([]string, len(argv))
	for i, arg := range argv {
		out[i] = expand(arg, func(name string) (string, bool) { v, ok := e[name]; return v, ok })
	}
	return out
}

// list is the form that the kernel takes. The marker comes first, where it is soonest found.
func (e environment) list() []string {
	out := make([]string, 0, len(e))
	for name, value := range e {
		if name != markerName {
			out = append(out, name+"="+value)
		}
	}
	sort.Strings(out)
	return append([]string{markerName + "=" + e[markerName]}, out...)
}

// resolver expands variables that refer to each other.
type resolver struct {
	own, base map[string]string
	busy      map[string]bool
	done      map[string]string
}

func (r resolver) lookup(name string) (string, bool) {
	if value, ok := r.done[name]; ok {
		return value, true
	}
	raw, ok := r.own[name]
	if !ok || r.busy[name] {
		value, ok := r.base[name]
		return value, ok
	}
	r.busy[name] = true
	value := expand(raw, r.lookup)
	r.busy[name] = false
	r.done[name] = value
	return value, true
}

// expand replaces each $(NAME) that lookup knows, as Kubernetes does: $$ is a plain dollar, and all else stays.
func expand(s string, lookup func(string) (string, bool)) string {
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			return out.String() + s
		}
		out.WriteString(s[:i])
		rest := s[i+1:]
		switch rest[0] {
		case '$':
			out.WriteByte('$')
			s = rest[1:]
			continue
		case '(':
			if end := strings.IndexByte(rest, ')'); end > 0 {
				value, ok := lookup(rest[1:end])
				if !ok {
					value = "$" + rest[:end+1]
				}
				out.WriteString(value)
				s = rest[end+1:]
				continue
			}
		}
		out.WriteByte('$')
		s = rest
	}
}

// addresses pairs the declared ports with those that a replica was handed.
func addresses(declared, ports []int) []Port {
	out := make([]Port, len(ports))
	for i, port := range ports {
		out[i].Addr = net.JoinHostPort(loopback, strconv.Itoa(port))
		if i < len(declared) {
			out[i].Declared = declared[i]
		}
	}
	return out
}

// inherited is the environment that replicas get from Afloat.
func inherited() []string { return os.Environ() }
