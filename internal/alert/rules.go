package alert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"go.yaml.in/yaml/v3"
)

// Store is where rules are evaluated and what they record is kept.
type Store struct {
	Queryable  storage.Queryable
	Appendable storage.Appendable
	Engine     promql.QueryEngine
	// Ready is closed once the store can be asked.
	Ready <-chan struct{}
	// Closed is what whoever asks it gets while it is not open; nil where it
	// always is.
	Closed error
}

// RuleSource is a text of rules, in the form of Prometheus, and what it is called
// in messages.
type RuleSource struct {
	Name string
	Text []byte
}

// RuleError is a mistake in a text of rules.
type RuleError struct {
	// Name is that of the text. Line and Column count from 1.
	Name         string
	Line, Column int
	Problem      string
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Problem)
}

const (
	filesMax = 1000
	// resendEvery is how often an alert that holds is told again, so that it does
	// not end by itself.
	resendEvery = 15 * time.Second
)

// expressions parses what rules ask.
var expressions = parser.NewParser(parser.Options{})

// ParseRules reads rules as `promtool check rules` does. It returns a
// [RuleError] for every mistake, joined.
func ParseRules(s RuleSource) (*rulefmt.RuleGroups, error) {
	groups, errs := rulefmt.Parse(s.Text, false, model.UTF8Validation, expressions, discard)
	var all []error
	for _, err := range errs {
		all = append(all, ruleErrors(s, err)...)
	}
	if len(all) > 0 {
		return nil, errors.Join(all...)
	}
	return groups, nil
}

// ruleErrors places what the parser says. It writes places in more than one way.
func ruleErrors(s RuleSource, err error) (all []error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasSuffix(line, "unmarshal errors:") {
			continue
		}
		e := &RuleError{Name: s.Name, Problem: strings.TrimPrefix(line, "yaml: ")}
		var rest string
		if n, _ := fmt.Sscanf(e.Problem, "line %d: ", &e.Line); n == 1 {
			_, rest, _ = strings.Cut(e.Problem, ": ")
			e.Column, e.Problem = 1, rest
		} else if n, _ := fmt.Sscanf(e.Problem, "%d:%d: ", &e.Line, &e.Column); n == 2 {
			_, rest, _ = strings.Cut(e.Problem, ": ")
			e.Problem = rest
		}
		if e.Line == 0 {
			e.Line, e.Column = locate(s.Text, e.Problem)
		}
		all = append(all, e)
	}
	return all
}

// quoted finds what a message names.
var quoted = regexp.MustCompile(`"([^"]+)"|: ([^ :]+)$`)

// locate finds the last value in a text that a message names, or its beginning.
func locate(text []byte, problem string) (line, column int) {
	line, column = 1, 1
	var root yaml.Node
	if yaml.Unmarshal(text, &root) != nil {
		return line, column
	}
	var walk func(n *yaml.Node, value string)
	walk = func(n *yaml.Node, value string) {
		if n.Kind == yaml.ScalarNode && n.Value == value {
			line, column = n.Line, n.Column
		}
		for _, child := range n.Content {
			walk(child, value)
		}
	}
	for _, m := range quoted.FindAllStringSubmatch(problem, -1) {
		walk(&root, m[1]+m[2])
	}
	return line, column
}

// ReadRules reads the files that patterns name.
func ReadRules(patterns []string) ([]RuleSource, error) {
	var all []RuleSource
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err == nil && len(names) == 0 && !strings.ContainsAny(pattern, "*?[") {
			err = fmt.Errorf("%s: %w", pattern, fs.ErrNotExist)
		}
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if len(all) == filesMax {
				return nil, fmt.Errorf("rules: there are more than %d files", filesMax)
			}
			text, err := readFile(name)
			if err != nil {
				return nil, err
			}
			all = append(all, RuleSource{name, text})
		}
	}
	return all, nil
}

// ruleSets are all groups of rules by the name of their source, in its order.
type ruleSets struct {
	names []string
	sets  map[string]*rulefmt.RuleGroups
}

// rulesOf reads and checks all rules of a Config.
func rulesOf(c *Config) (*ruleSets, error) {
	sources, err := ReadRules(c.Rules)
	if err != nil {
		return nil, err
	}
	all := &ruleSets{sets: map[string]*rulefmt.RuleGroups{}}
	all.add("built-in", builtin(c))
	all.add("objectives", objectives(c.Objectives))
	var wrong []error
	for _, s := range slices.Concat(sources, c.Sources) {
		groups, err := ParseRules(s)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		all.add(s.Name, groups)
	}
	return all, errors.Join(wrong...)
}

func (s *ruleSets) add(name string, groups *rulefmt.RuleGroups) {
	if groups == nil || len(groups.Groups) == 0 || s.sets[name] != nil {
		return
	}
	s.names = append(s.names, name)
	s.sets[name] = groups
}

// Load is part of [rules.GroupLoader].
func (s *ruleSets) Load(name string, _ bool, _ model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return s.sets[name], nil
}

// Parse is part of [rules.GroupLoader].
func (s *ruleSets) Parse(query string) (parser.Expr, error) { return expressions.ParseExpr(query) }

// ruler evaluates rules once its store is ready. A nil ruler evaluates none.
type ruler struct {
	manager *rules.Manager
	cancel  context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex // guards what follows
	loader  *ruleSets
	every   time.Duration
	started bool
	ending  bool
}

// apply puts the rules of a Config in force. It makes a ruler where there is
// none.
func (r *ruler) apply(m *Manager, c *Config) (*ruler, error) {
	sets, err := rulesOf(c)
	if err != nil {
		return r, err
	}
	if m.options.Store == nil {
		return nil, nil
	}
	if r == nil {
		r = newRuler(m)
	}
	return r, r.update(sets, c.Every)
}

func newRuler(m *Manager) *ruler {
	if m.ruleMetrics == nil {
		m.ruleMetrics = rules.NewGroupMetrics(m.registry)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &ruler{cancel: cancel, done: make(chan struct{})}
	store := m.options.Store
	r.manager = rules.NewManager(&rules.ManagerOptions{
		QueryFunc:       rules.EngineQueryFunc(store.Engine, store.Queryable),
		NotifyFunc:      m.notifyRules,
		Context:         ctx,
		Appendable:      store.Appendable,
		Queryable:       store.Queryable,
		Logger:          m.quiet("rules"),
		Metrics:         m.ruleMetrics,
		OutageTolerance: time.Hour,
		ForGracePeriod:  resendEvery,
		ResendDelay:     resendEvery,
		GroupLoader:     r,
		Parser:          expressions,
	})
	go func() {
		defer close(r.done)
		select {
		case <-ctx.Done():
			return
		case <-store.Ready:
		}
		r.mu.Lock()
		if r.ending { // the store opened at this moment
			r.mu.Unlock()
			return
		}
		r.started = true
		err := r.load()
		r.mu.Unlock()
		if err != nil {
			m.log.Error("rules are not evaluated", "error", err)
		}
		r.manager.Run()
	}()
	return r
}

// update takes new rules. Before the store is ready they only wait: the rules'
// manager cannot replace groups that have not begun.
func (r *ruler) update(sets *ruleSets, every time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loader, r.every = sets, every
	if !r.started {
		return nil
	}
	return r.load()
}

func (r *ruler) load() error {
	return r.manager.Update(r.every, r.loader.names, labels.EmptyLabels(), "", nil)
}

// Load is part of [rules.GroupLoader]. It is called by load alone.
func (r *ruler) Load(name string, ignore bool, scheme model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return r.loader.Load(name, ignore, scheme)
}

// Parse is part of [rules.GroupLoader].
func (r *ruler) Parse(query string) (parser.Expr, error) { return expressions.ParseExpr(query) }

// stop ends the evaluation.
func (r *ruler) stop() {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.ending = true
	started := r.started
	r.mu.Unlock()
	if started {
		r.manager.Stop()
	}
	r.cancel()
	<-r.done
}

// RuleGroups lists the groups that are evaluated.
func (m *Manager) RuleGroups() []*rules.Group {
	if r := m.ruling.Load(); r != nil {
		return r.manager.RuleGroups()
	}
	return nil
}

// AlertingRules lists the rules that make alerts.
func (m *Manager) AlertingRules() []*rules.AlertingRule {
	if r := m.ruling.Load(); r != nil {
		return r.manager.AlertingRules()
	}
	return nil
}

// notifyRules takes the alerts of a rule.
func (m *Manager) notifyRules(ctx context.Context, _ string, told ...*rules.Alert) {
	all := make([]incoming, len(told))
	for i, t := range told {
		ends := t.ResolvedAt
		if ends.IsZero() {
			ends = t.ValidUntil
		}
		all[i] = incoming{since: t.ActiveAt, Alert: &alert.Alert{
			Alert: model.Alert{
				Labels: modelLabels(t.Labels), Annotations: modelLabels(t.Annotations),
				StartsAt: t.FiredAt, EndsAt: ends,
			},
			UpdatedAt: time.Now(),
		}}
	}
	if err := m.put(ctx, all...); err != nil {
		m.log.Error("an alert could not be noted", "error", err)
	}
}

func modelLabels(all labels.Labels) model.LabelSet {
	set := model.LabelSet{}
	all.Range(func(l labels.Label) {
		set[model.LabelName(l.Name)] = model.LabelValue(l.Value)
	})
	return set
}
