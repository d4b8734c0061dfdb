// Package postgrestest starts real PostgreSQL servers for tests.
package postgrestest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/afloat-dev/afloat/internal/freeport"
)

// Server is a PostgreSQL server of a test's own, on the loopback interface.
type Server struct {
	bin, data string
	address   string
	who       *syscall.Credential // nil: whoever runs the test

	process *exec.Cmd
	said    *bytes.Buffer
	ended   chan error
}

// Patience bounds how long a real server may take to do anything.
const Patience = 30 * time.Second

// ConnectionsMax is how many connections a server takes.
const ConnectionsMax = 10

// New makes a database and starts its server.
func New(t testing.TB) *Server {
	t.Helper()
	p := &Server{bin: postgresFolder(t), address: freeport.Address(t)}
	if os.Getuid() == 0 {
		p.who = unprivileged(t)
	}
	// Not t.TempDir, which others than its owner may not enter everywhere.
	folder, err := os.MkdirTemp("", "postgrestest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if p.who != nil {
		if err := os.Chown(folder, int(p.who.Uid), int(p.who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	p.data = filepath.Join(folder, "data")
	if out, err := p.command("initdb", "-D", p.data, "-U", "postgres", "--auth=trust", "--no-sync", "--locale=C").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p.Start(t)
	t.Cleanup(p.Kill)
	return p
}

// postgresFolder is where the server's programs are; Debian has them in none of
// the PATH.
func postgresFolder(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed")
	}
	return filepath.Dir(found[len(found)-1])
}

// unprivileged is a user for the server, which root cannot run.
func unprivileged(t testing.TB) *syscall.Credential {
	t.Helper()
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32) // a number on every Unix
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	t.Skip("PostgreSQL does not run as root, and there is no other user")
	return nil
}

func (p *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(p.bin, name), args...)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: p.who}
	return c
}

// Start starts the server and waits until it answers. After a kill it refuses
// to start until the last of its processes is gone.
func (p *Server) Start(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		if p.process == nil {
			p.launch(t)
		}
		if err := p.answers(); err == nil {
			return
		}
		select {
		case <-p.ended:
			p.process = nil
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer:\n%s", p.said)
		}
	}
}

func (p *Server) launch(t testing.TB) {
	t.Helper()
	p.said, p.ended = new(bytes.Buffer), make(chan error, 1)
	p.process = p.command("postgres", "-D", p.data, "-h", "127.0.0.1", "-p", p.port(), "-k", "",
		"-c", "fsync=off", "-c", fmt.Sprintf("max_connections=%d", ConnectionsMax), "-c", "superuser_reserved_connections=0", "-c", "max_wal_senders=0",
		"-c", "shared_buffers=16MB", "-c", "autovacuum=off")
	p.process.Stdout, p.process.Stderr = p.said, p.said
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	process, ended := p.process, p.ended
	go func() { ended <- process.Wait() }()
}

func (p *Server) answers() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, p.DSN())
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

// Kill kills the server, if it runs, as a crash would.
func (p *Server) Kill() {
	if p.process == nil {
		return
	}
	_ = p.process.Process.Kill()
	<-p.ended
	p.process = nil
}

// DSN is how the server is connected to.
func (p *Server) DSN() string {
	return fmt.Sprintf("host=127.0.0.1 port=%s user=postgres dbname=postgres sslmode=disable connect_timeout=10", p.port())
}

func (p *Server) port() string { return strings.TrimPrefix(p.address, "127.0.0.1:") }

// Address is where the server listens.
func (p *Server) Address() string { return p.address }
