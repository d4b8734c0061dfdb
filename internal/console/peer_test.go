package console

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestUserOfAConnectionIsFound(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		of := func(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }
		if uid, known := userOf(of(conn.LocalAddr()), of(conn.RemoteAddr())); !known || uid != os.Geteuid() {
			t.Errorf("%s: got %d, %v", address, uid, known)
		}
		other := netip.AddrPortFrom(of(conn.LocalAddr()).Addr(), 1)
		if uid, known := userOf(other, of(conn.RemoteAddr())); !known || uid != -1 {
			t.Errorf("%s: a connection that there is not: got %d, %v", address, uid, known)
		}
	}
}

// TestStrangersOfTheMachineOnlyLook has another user ask by curl.
func TestStrangersOfTheMachineOnlyLook(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs curl and root, to ask as another user")
	}
	fine := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	for name, test := range map[string]struct {
		access Access
		uid    uint32
		args   []string
		want   string
	}{
		"another user looks":              {Access{}, 65534, nil, "200"},
		"another user acts":               {Access{}, 65534, []string{"-X", "PUT"}, "403"},
		"root acts":                       {Access{}, 0, []string{"-X", "PUT"}, "200"},
		"another user acts with a token":  {Access{Token: "secret"}, 65534, []string{"-X", "PUT", "-H", "Authorization: Bearer secret"}, "200"},
		"another user acts, without one":  {Access{Token: "secret"}, 65534, []string{"-X", "PUT"}, "401"},
		"another user sets a silence too": {Access{}, 65534, []string{"-X", "POST"}, "403"},
	} {
		g := newGuard(test.access)
		server := httptest.NewServer(g.secure(g.mount(Mount{Handler: fine})))
		run := exec.Command(curl, append([]string{"-s", "-o", "/dev/null", "-w", "%{http_code}", server.URL + "/alertmanager/x"}, test.args...)...)
		run.Dir = "/"
		run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: test.uid, Gid: test.uid}}
		out, err := run.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != test.want {
			t.Errorf("%s: got %s, %v, want %s", name, out, err, test.want)
		}
		server.Close()
	}
}
