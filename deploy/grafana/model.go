package main

import "fmt"

// dashboard is what Grafana imports. Only what is set here is written; the rest
// is Grafana's default.
type dashboard struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Tags          []string `json:"tags"`
	SchemaVersion int      `json:"schemaVersion"`
	Refresh       string   `json:"refresh"`
	Time          span     `json:"time"`
	Links         []link   `json:"links"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Panels []*panel `json:"panels"`

	x, y, height int // where the next panel goes
}

type span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// link leads to the other dashboards.
type link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
}

// variable is a choice at the top.
type variable struct {
	Name       string  `json:"name"`
	Label      string  `json:"label"`
	Type       string  `json:"type"`
	Query      string  `json:"query"`
	Datasource *source `json:"datasource,omitempty"`
	Refresh    int     `json:"refresh,omitempty"`
	IncludeAll bool    `json:"includeAll,omitempty"`
	Multi      bool    `json:"multi,omitempty"`
	AllValue   string  `json:"allValue,omitempty"`
	Sort       int     `json:"sort,omitempty"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int            `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Description string         `json:"description,omitempty"`
	GridPos     place          `json:"gridPos"`
	Datasource  *source        `json:"datasource,omitempty"`
	Targets     []target       `json:"targets,omitempty"`
	FieldConfig *fieldConfig   `json:"fieldConfig,omitempty"`
	Options     map[string]any `json:"options,omitempty"`
}

type place struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// target is a query.
type target struct {
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat,omitempty"`
	Instant      bool   `json:"instant,omitempty"`
	Format       string `json:"format,omitempty"`
	Exemplar     bool   `json:"exemplar,omitempty"`
}

type fieldConfig struct {
	Defaults fieldDefaults `json:"defaults"`
}

type fieldDefaults struct {
	Unit       string         `json:"unit,omitempty"`
	Min        *float64       `json:"min,omitempty"`
	Max        *float64       `json:"max,omitempty"`
	Custom     map[string]any `json:"custom,omitempty"`
	Thresholds *thresholds    `json:"thresholds,omitempty"`
}

type thresholds struct {
	Mode  string `json:"mode"`
	Steps []step `json:"steps"`
}

// step is a colour from a value on.
type step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

const width = 24 // of Grafana's grid

var prometheus = &source{Type: "prometheus", UID: "${datasource}"}

func newDashboard(uid, title string, variables ...variable) *dashboard {
	d := &dashboard{
		UID: uid, Title: title, Tags: []string{"afloat"}, SchemaVersion: 39, Refresh: "5s", Time: span{"now-30m", "now"},
		Links: []link{{Title: "Afloat", Type: "dashboards", Tags: []string{"afloat"}, AsDropdown: true, IncludeVars: true, KeepTime: true}},
	}
	d.Templating.List = append([]variable{
		{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus"},
		choice("instance", "Instance", "label_values(afloat_build_info, instance)"),
	}, variables...)
	return d
}

// choice is a variable whose values a query gives.
func choice(name, label, query string) variable {
	return variable{Name: name, Label: label, Type: "query", Query: query, Datasource: prometheus, Refresh: 2, IncludeAll: true, Multi: true, AllValue: ".*", Sort: 1}
}

// row begins a new row with a title.
func (d *dashboard) row(title string) {
	d.newline()
	d.Panels = append(d.Panels, &panel{ID: len(d.Panels) + 1, Type: "row", Title: title, GridPos: place{1, width, 0, d.y}})
	d.y++
}

func (d *dashboard) newline() {
	if d.x > 0 {
		d.x, d.y = 0, d.y+d.height
	}
}

// add puts a panel beside the last one, or below where there is no room.
func (d *dashboard) add(kind, title, unit string, w, h int, queries ...target) *panel {
	if d.x+w > width {
		d.newline()
	}
	for i := range queries {
		queries[i].RefID = string(rune('A' + i))
	}
	p := &panel{
		ID: len(d.Panels) + 1, Type: kind, Title: title, GridPos: place{h, w, d.x, d.y}, Datasource: prometheus, Targets: queries,
		FieldConfig: &fieldConfig{fieldDefaults{Unit: unit}},
	}
	d.Panels = append(d.Panels, p)
	d.x, d.height = d.x+w, h
	return p
}

// plot is a panel of lines, from zero on.
func (d *dashboard) plot(title, unit string, queries ...target) *panel {
	p := d.add("timeseries", title, unit, 8, 8, queries...)
	p.FieldConfig.Defaults.Min = new(float64)
	p.FieldConfig.Defaults.Custom = map[string]any{"fillOpacity": 10, "spanNulls": false}
	p.Options = map[string]any{"tooltip": map[string]any{"mode": "multi", "sort": "desc"}}
	return p
}

// stat is a panel of one number, with colours from the values on.
func (d *dashboard) stat(title, unit, expr string, amber, red float64) *panel {
	p := d.add("stat", title, unit, 4, 4, query(expr, ""))
	p.Options = map[string]any{"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}}, "colorMode": "background"}
	steps := []step{{"green", nil}}
	if amber > 0 {
		steps = append(steps, step{"orange", &amber}, step{"red", &red})
	}
	p.FieldConfig.Defaults.Thresholds = &thresholds{"absolute", steps}
	return p
}

func query(expr, legend string) target { return target{Expr: expr, LegendFormat: legend} }

// quantiles are the median, the 95th and the 99th of a histogram.
func quantiles(metric, selector string) (all []target) {
	for _, q := range []string{"0.5", "0.95", "0.99"} {
		t := query(fmt.Sprintf("histogram_quantile(%s, sum by (le) (rate(%s_bucket{%s}[$__rate_interval])))", q, metric, selector), "p"+q[2:])
		t.Exemplar = true
		all = append(all, t)
	}
	all[0].LegendFormat = "p50"
	return all
}
