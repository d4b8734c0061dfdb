package config

import (
	"strings"
	"testing"
)

func TestAccessLogHasALimit(t *testing.T) {
	a := assembled(t, Options{}, Source{"a.yaml", []byte(web + "accessLog: {path: access.log}\n")})
	if got, want := a.AccessLog, (AccessLogConfig{Path: "access.log", SizeMax: 100 << 20, FilesMax: 10, Sample: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := strings.Join(a.Explain(), "\n"); !strings.Contains(got, "are written to access.log, up to 10 files of 100Mi.") {
		t.Errorf("explained as %s", got)
	}
}

func TestAccessLogIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"{sample: 5%}":             "accessLog",
		"{path: a, sample: 200%}":  "accessLog.sample",
		"{path: a, sizeMax: 10k}":  "accessLog.sizeMax",
		"{path: a, filesMax: -1}":  "accessLog.filesMax",
		"{path: a, filesMax: 2e3}": "accessLog.filesMax",
		"{path: a, ageMax: -1h}":   "accessLog.ageMax",
	} {
		_, problems := Assemble([]Source{{"a.yaml", []byte(web + "accessLog: " + text + "\n")}}, Options{})
		if len(problems) != 1 || problems[0].Path != want {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
