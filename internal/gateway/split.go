package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/afloat-dev/afloat/policy"
)

// VersionLabel is the label of endpoints that says of which version they are.
const VersionLabel = "version"

// Split shares a service's requests among versions of it, while one takes the
// place of another. Routes that name labels of their own are not concerned.
type Split struct {
	// Versions are those that there are. The first is the one that users had
	// before: it takes what the shares of the others leave, repeats of requests
	// that failed at them, and the requests of one without a usable endpoint.
	Versions []SplitVersion
	// Sticky keeps users at their version.
	Sticky SplitSticky
	// Salt changes which users a share is made of.
	Salt string
}

// SplitVersion is what a version gets.
type SplitVersion struct {
	// Version is the value of the endpoints' VersionLabel.
	Version string
	// Share of the requests; not of the first, which takes the rest.
	Share policy.Ratio
	// Match lists alternatives; requests that match one go here in any case.
	Match []MatchConfig
	// Mirror is the share of the requests that other versions serve of which
	// this one gets a copy, and nobody its answer. Only those are copied that
	// change nothing (GET, HEAD) and that are not streamed.
	Mirror policy.Ratio
	// Preview takes the requests of listeners that preview the service.
	Preview bool
}

// SplitSticky says by what users are known. Each user's version then follows
// from who they are and from the shares alone: when a share grows, users join it
// and none leaves, and what it is of the users is what it says.
type SplitSticky struct {
	// Cookie is the name of a cookie that Afloat gives those who have none.
	// Default, in place of Key and where the route is sticky: afloat-version.
	Cookie string `yaml:"cookie"`
	// TTL is how long clients keep the cookie. Default: until they end.
	TTL time.Duration `yaml:"ttl"`
	// Key is something that requests bring themselves, such as a header with the
	// user's name.
	Key KeyConfig `yaml:"key"`
}

// versionsMax bounds the versions of a service at one time: the old one, the new
// one, and a fresh copy of the old one to compare with.
const versionsMax = 3

// versionCookie is the cookie of users of a sticky route.
const versionCookie = "afloat-version"

// Validate returns all problems of the split.
func (c *Split) Validate() error {
	v := new(validator)
	if len(c.Versions) == 0 || len(c.Versions) > versionsMax {
		v.add("want 1 to %d versions, got %d", []any{versionsMax, len(c.Versions)}, "versions")
	}
	total := 0.0
	for i, one := range c.Versions {
		at := func(field string) []string { return []string{"versions", strconv.Itoa(i), field} }
		v.share(one.Share, at("share")...)
		v.share(one.Mirror, at("mirror")...)
		v.matches(one.Match, at("match")...)
		if i > 0 {
			total += float64(one.Share)
		}
	}
	if total > 1 {
		v.add("want shares of 100%% together at most, got %.4g%%", []any{100 * total}, "versions")
	}
	v.splitSticky(&c.Sticky, "sticky")
	return errors.Join(v.problems...)
}

func (v *validator) matches(all []MatchConfig, path ...string) {
	for i := range all {
		v.match(&all[i], append(slices.Clone(path), strconv.Itoa(i))...)
	}
}

func (v *validator) splitSticky(c *SplitSticky, path ...string) {
	at := func(more string) []string { return append(slices.Clone(path), more) }
	if c.Cookie != "" && !validToken(c.Cookie) {
		v.add("%s cannot be a cookie's name", []any{strconv.Quote(c.Cookie)}, at("cookie")...)
	}
	if c.Key != (KeyConfig{}) && (c.Cookie != "" || c.TTL != 0) {
		v.add("want a cookie or a key", nil, path...)
	}
	if c.TTL != 0 {
		v.period(c.TTL, 400*24*time.Hour, at("ttl")...)
	}
}

// Validate returns all problems.
func (c SplitSticky) Validate() error {
	v := new(validator)
	v.splitSticky(&c)
	return errors.Join(v.problems...)
}

// ValidateMatches returns all problems of a list of alternatives.
func ValidateMatches(all []MatchConfig) error {
	v := new(validator)
	v.matches(all)
	return errors.Join(v.problems...)
}

// split is a compiled Split. It never changes.
type split struct {
	sticky   SplitSticky
	salt     uint64
	versions []version
	mirrors  bool
}

// version is a SplitVersion of a split.
type version struct {
	SplitVersion
	subset   *subset
	match    []matcher
	from, to float64  // the draws that come here
	mirror   []mirror // none or one
	requests *atomic.Uint64
}

// newSplit compiles a Split. The first added version grows from one end of the
// draws and the second from the other, so that neither moves the other's users.
func newSplit(c *Split, s *service) *split {
	made := &split{sticky: c.Sticky, salt: hashOf(c.Salt)}
	low, high := 0.0, 1.0
	for i, sv := range c.Versions {
		v := version{SplitVersion: sv, subset: s.narrow(versionLabels(sv.Version)), requests: new(atomic.Uint64)}
		switch i {
		case 0:
		case 1:
			v.to = float64(sv.Share)
			low = v.to
		default:
			v.from, v.to = high-float64(sv.Share), high
			high = v.from
		}
		for _, m := range sv.Match {
			v.match = append(v.match, newMatcher(m))
		}
		if sv.Mirror > 0 {
			mc := MirrorConfig{Service: s.name, Share: sv.Mirror}
			v.mirror = []mirror{newMirror(&RouteConfig{}, mc, s.name+" "+sv.Version, s, s.observer)}
			made.mirrors = true
		}
		made.versions = append(made.versions, v)
	}
	if len(made.versions) > 0 {
		made.versions[0].from, made.versions[0].to = low, high
	}
	return made
}

func versionLabels(version string) map[string]string { return map[string]string{VersionLabel: version} }

// SetSplit shares a service's requests among its versions from now on, until
// another split takes its place or nil ends it. It may name a service that is not
// configured yet, and no configuration changes it. Once it has returned, no
// request is sent to a version that it leaves out.
func (g *Gateway) SetSplit(service string, c *Split) error {
	if c != nil {
		if err := c.Validate(); err != nil {
			return fmt.Errorf("split of %s: %w", service, err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if c == nil {
		delete(g.splits, service)
	} else {
		g.splits[service] = c
	}
	if s := g.table.Load().services[service]; s != nil {
		s.setSplit(c)
	}
	return nil
}

// setSplit compiles the split and puts it in force.
func (s *service) setSplit(c *Split) {
	if c == nil {
		s.split.Store(nil)
		return
	}
	s.mu.Lock()
	for _, v := range c.Versions {
		labels := versionLabels(v.Version)
		if !slices.ContainsFunc(s.subsets, func(b *subset) bool { return b.is(labels) }) {
			b := newSubset(s, labels)
			b.fill(*s.endpoints.Load(), s.zone)
			s.subsets = append(s.subsets, b)
		}
	}
	s.mu.Unlock()
	s.split.Store(newSplit(c, s))
}

// VersionStatus is a version of a service and its part of the requests.
type VersionStatus struct {
	Version string `json:"version"`
	// Share is between 0 and 1.
	Share float64 `json:"share"`
	// Mirror is the share of the others' requests that it gets copies of.
	Mirror float64 `json:"mirror,omitempty"`
	// Requests were sent there since the shares last changed.
	Requests uint64 `json:"requests"`
}

func (s *split) status() (all []VersionStatus) {
	if s == nil {
		return nil
	}
	for i := range s.versions {
		v := &s.versions[i]
		all = append(all, VersionStatus{v.Version, v.to - v.from, float64(v.Mirror), v.requests.Load()})
	}
	return all
}

// cookieName is the cookie by which users are known; empty for none.
func (s *split) cookieName(sticky *StickyConfig) string {
	if s.sticky.Cookie == "" && sticky != nil && s.sticky.Key == (KeyConfig{}) {
		return versionCookie
	}
	return s.sticky.Cookie
}
