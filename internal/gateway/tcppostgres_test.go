package gateway

import (
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/afloat-dev/afloat/internal/postgrestest"
)

// TestPostgresBehindTCPFailsOverAndBack kills one of two real servers.
func TestPostgresBehindTCPFailsOverAndBack(t *testing.T) {
	first, second := postgrestest.New(t), postgrestest.New(t)
	c := tcpTo(first.Address(), second.Address())
	g, at := start(t, c)
	gateway, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	dsn := "host=127.0.0.1 port=" + gateway.Port() + " user=postgres dbname=postgres sslmode=prefer connect_timeout=10"
	ask := func() (server string, err error) {
		db, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return "", err
		}
		defer db.Close(t.Context())
		return server, db.QueryRow(t.Context(), "select 'at ' || inet_server_port()").Scan(&server)
	}
	both := func() bool {
		seen := map[string]bool{}
		for range 20 {
			server, err := ask()
			if err != nil {
				t.Fatal(err)
			}
			seen[server] = true
		}
		return len(seen) == 2
	}
	if !both() {
		t.Fatal("one of the servers gets no connections")
	}
	first.Kill()
	for range 20 {
		if _, err := ask(); err != nil {
			t.Fatalf("a new connection while one server is dead: %v", err)
		}
	}
	if state := stateOf(g, "web", first.Address()).State; state != "down" {
		t.Errorf("the dead server is %s", state)
	}
	first.Start(t)
	eventually(t, "the server is back", both)
}
