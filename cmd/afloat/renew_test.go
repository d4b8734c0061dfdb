package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/afloat-dev/afloat/internal/authority"
	"github.com/afloat-dev/afloat/internal/gateway"
)

func TestCertificatesAreRenewedWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "ca")
		if err := authority.Init(dir, authority.Config{}); err != nil {
			t.Fatal(err)
		}
		a, err := authority.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		file, err := a.Issue(authority.Request{Name: "web", TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		r := newRenewer(slog.New(slog.NewTextHandler(&log, nil)))
		all := []gateway.Renewal{{File: file, From: dir}}
		pass := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(renewInterval) {
				r.renew(all)
			}
		}
		first := contents(t, file)
		pass(39 * time.Minute)
		if contents(t, file) != first || log.Len() > 0 {
			t.Errorf("renewed before two thirds of its life were over: %s", &log)
		}
		pass(2 * time.Minute)
		second := contents(t, file)
		if second == first || strings.Count(log.String(), "certificate renewed") != 1 {
			t.Errorf("not renewed once: %s", &log)
		}

		// While the authority cannot be read, the old one stays, and that is told once.
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
		moved := []gateway.Renewal{{File: filepath.Join(dir+".away", "web.pem"), From: dir}}
		all = moved
		log.Reset()
		pass(time.Hour)
		if contents(t, moved[0].File) != second || strings.Count(log.String(), "certificate not renewed") != 1 {
			t.Errorf("got %s", &log)
		}
		if err := os.Rename(dir+".away", dir); err != nil {
			t.Fatal(err)
		}
		all = []gateway.Renewal{{File: file, From: dir}}
		pass(2 * renewPause)
		if contents(t, file) == second {
			t.Error("not renewed once the authority was back")
		}
	})
}

func contents(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
