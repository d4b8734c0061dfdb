package kube

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/afloat-dev/afloat/internal/config/yamltree"
)

func (c *checker) probe(at yamltree.Path, k Container, p *Probe) {
	if p == nil {
		return
	}
	kinds := 0
	for _, set := range []bool{p.HTTPGet != nil, p.TCPSocket != nil, p.Exec != nil, p.GRPC != nil} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds == 0 && c.Clean(at):
		c.Fail(at, "asks nothing", "write one of httpGet, tcpSocket, exec and grpc")
	case kinds > 1:
		c.Fail(at, "want only one of httpGet, tcpSocket, exec and grpc", "keep one of them")
	}
	if p.HTTPGet != nil {
		c.httpGet(at.At("httpGet"), k, p.HTTPGet)
	}
	if tcp := p.TCPSocket; tcp != nil {
		c.probePort(at.At("tcpSocket", "port"), k, tcp.Port)
		c.probeHost(at.At("tcpSocket", "host"), tcp.Host)
	}
	if p.Exec != nil {
		c.exec(at.At("exec"), p.Exec)
	}
	readiness := at[len(at)-1] == "readinessProbe"
	if !readiness && p.SuccessThreshold > 1 {
		c.Fail(at.At("successThreshold"), fmt.Sprintf("must be 1 except for readiness, got %d", p.SuccessThreshold), "remove it")
	}
	if readiness && p.TerminationGracePeriodSeconds != nil {
		c.Fail(at.At("terminationGracePeriodSeconds"), "does not go with readiness, which stops nothing", "remove it")
	}
}

func (c *checker) httpGet(at yamltree.Path, k Container, get *HTTPGet) {
	c.probePort(at.At("port"), k, get.Port)
	c.probeHost(at.At("host"), get.Host)
	if get.Path != "" && !strings.HasPrefix(get.Path, "/") && c.Clean(at.At("path")) {
		c.Fail(at.At("path"), strconv.Quote(get.Path)+" does not begin with /", "write /"+get.Path)
	}
	if strings.ContainsFunc(get.Path, blank) {
		c.Fail(at.At("path"), strconv.Quote(get.Path)+" has a blank or a control character", "write it as %20 and the like")
	}
}

// preStop allows what Kubernetes does: one of three.
func (c *checker) preStop(at yamltree.Path, k Container, stop *PreStop) {
	if stop == nil {
		return
	}
	kinds := 0
	for _, set := range []bool{stop.Exec != nil, stop.HTTPGet != nil, stop.Sleep != nil} {
		if set {
			kinds++
		}
	}
	switch {
	case kinds == 0 && c.Clean(at):
		c.Fail(at, "does nothing", "write one of exec, httpGet and sleep")
	case kinds > 1:
		c.Fail(at, "want only one of exec, httpGet and sleep", "keep one of them")
	}
	if stop.Exec != nil {
		c.exec(at.At("exec"), stop.Exec)
	}
	if stop.HTTPGet != nil {
		c.httpGet(at.At("httpGet"), k, stop.HTTPGet)
	}
}

// probePort reports a name that no port has.
func (c *checker) probePort(at yamltree.Path, k Container, port PortRef) {
	if port.Name == "" || k.Resolve(port) != 0 || !c.Clean(at) {
		return
	}
	var names []string
	for _, p := range k.Ports {
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	fix := "add it to ports, or write a number"
	if near := yamltree.Suggest(port.Name, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	c.Fail(at, "no port of the container is named "+port.Name, fix)
}

// probeHost reports a probe of something other than the replica.
func (c *checker) probeHost(at yamltree.Path, host string) {
	if !slices.Contains([]string{"", "localhost", "127.0.0.1", "::1"}, host) {
		c.Fail(at, "not supported yet: only the replica itself is asked", "remove it")
	}
}

func (c *checker) exec(at yamltree.Path, e *Exec) {
	if c.Clean(at) && (len(e.Command) == 0 || e.Command[0] == "") {
		c.Fail(at.At("command"), "is empty", "write the program and its arguments")
	}
}
