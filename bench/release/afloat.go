package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/afloat-dev/afloat/bench/rig"
	"github.com/afloat-dev/afloat/internal/console"
	"github.com/afloat-dev/afloat/internal/control/rollout"
	"github.com/afloat-dev/afloat/internal/freeport"
)

// afloat is an Afloat that runs the service.
type afloat struct {
	process *rig.Process
	listen  string
	admin   string
	client  *http.Client
}

// service is what the file says of it.
type service struct {
	replicas int
	rolling  string // YAML
	release  string // YAML
	retries  bool
}

// start runs Afloat with the service, and waits until it serves.
func start(ctx context.Context, dir, path string, s service) (*afloat, error) {
	ports, err := freeport.Addresses(2)
	if err != nil {
		return nil, err
	}
	a := &afloat{listen: ports[0], admin: ports[1], client: &http.Client{Timeout: 5 * time.Second}}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	retry := "{attempts: -1}"
	if s.retries {
		retry = "{}"
	}
	here, err := os.MkdirTemp(dir, "run-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(here, "afloat.yaml")
	text := fmt.Sprintf(`
listen: %s
data: %s
admin: {address: "%s"}
services:
  web:
    retry: %s
    concurrency: {disabled: true}
    process:
      command: [%q]
      env: {%s: v0}
      replicas: %d
      rolling: %s
      grace: 20s
    release: %s
`, a.listen, filepath.Join(here, "data"), a.admin, retry, self, versionVariable, s.replicas, s.rolling, s.release)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if a.process, err = rig.Start(nil, path, "run", "-f", file); err != nil {
		return nil, err
	}
	return a, a.until(ctx, func() bool {
		res, err := a.client.Get("http://" + a.listen + "/")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == 200
	})
}

// until waits for something, for two minutes at most.
func (a *afloat) until(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not come to that: %s", a.process.Said())
		case <-a.process.Ended:
			return errors.New("afloat has ended")
		case <-tick.C:
		}
	}
	return nil
}

// steer gives a command to the release.
func (a *afloat) steer(do, body string) error {
	req, err := http.NewRequest(http.MethodPut, "http://"+a.admin+"/api/v1/releases/web?"+url.Values{"do": {do}, "who": {"bench"}}.Encode(), strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		said, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s: %s", do, said)
	}
	return nil
}

// begin releases a version of which a share of the requests fails.
func (a *afloat) begin(version string, errors float64) error {
	return a.steer("start", fmt.Sprintf("env: {%s: %s, %s: %q}", versionVariable, version, errorsVariable, fmt.Sprint(errors)))
}

// get asks the API.
func (a *afloat) get(path string, answer any) error {
	res, err := a.client.Get("http://" + a.admin + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(answer)
}

func (a *afloat) release() (*rollout.ReleaseStatus, error) {
	var st rollout.Status
	if err := a.get("/api/v1/releases/web", &st); err != nil {
		return nil, err
	}
	if st.Release == nil {
		return nil, errors.New("nothing has been released")
	}
	return st.Release, nil
}

// ended waits for the end of the release.
func (a *afloat) ended(ctx context.Context) (r *rollout.ReleaseStatus, err error) {
	err = a.until(ctx, func() bool {
		now, err := a.release()
		if err != nil || !now.Phase.Ended() {
			return false
		}
		r = now
		return true
	})
	return r, err
}

// replicas counts those that are ready and those that exist.
func (a *afloat) replicas() (ready, alive int, err error) {
	var st console.Status
	if err := a.get("/api/v1/status", &st); err != nil {
		return 0, 0, err
	}
	for _, s := range st.Processes {
		ready += s.Ready
		alive += len(s.Replicas)
	}
	return ready, alive, nil
}
