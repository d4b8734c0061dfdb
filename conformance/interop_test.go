package conformance_test

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/afloat-dev/afloat/internal/freeport"
	"github.com/afloat-dev/afloat/internal/gateway"
	"github.com/afloat-dev/afloat/policy"
)

// interopCases are those of grpc-go's client that need no account anywhere, but
// for pick_first_unary, which wants a name that grpc-go's server does not tell.
var interopCases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service",
	"rpc_soak", "channel_soak", "orca_per_rpc", "orca_oob",
}

// TestGRPCInterop runs grpc-go's own programs on both sides of the gateway.
func TestGRPCInterop(t *testing.T) {
	if testing.Short() {
		t.Skip("builds grpc-go's programs")
	}
	dir := t.TempDir()
	for _, name := range []string{"client", "server"} {
		out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), "google.golang.org/grpc/interop/"+name).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	port := freeport.Port(t)
	server := exec.Command(filepath.Join(dir, "server"), "-port", port)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	endpoint := "127.0.0.1:" + port
	eventually(t, "the server listens", func() bool {
		conn, err := net.Dial("tcp", endpoint)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	_, _, addresses := start(t, plain(gateway.ServiceConfig{
		Endpoints: gateway.Addresses(endpoint),
		Breaker:   policy.BreakerConfig{ConsecutiveFailures: 1000}, // several cases ask for UNKNOWN, one after the other
	}))
	_, listens, _ := net.SplitHostPort(addresses[0])
	for _, name := range interopCases {
		t.Run(name, func(t *testing.T) {
			args := []string{"-server_host", "127.0.0.1", "-server_port", listens, "-test_case", name}
			if name == "orca_per_rpc" || name == "orca_oob" {
				args = append(args, "-service_config_json", `{"loadBalancingConfig": [{"test_backend_metrics_load_balancer": {}}]}`)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			if out, err := exec.CommandContext(ctx, filepath.Join(dir, "client"), args...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
