.DEFAULT_GOAL := help
.PHONY: help build test race lint fuzz bench releases judge crashes storm smuggling interop h2spec demo ci clean console screenshots

help: ## show these lines
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/afloat
	go build -trimpath -o bin/afloat ./cmd/afloat

test: ## install what the tests need (packages included) and run every test
	@.ci/test

race: ## the same under the race detector
	@.ci/test -race

lint: ## vet, staticcheck, and golangci-lint where it is installed
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed"; fi

fuzz: ## fuzz every decoder for a few seconds
	@.ci/fuzz

bench: ## the policies beside their peers, and the gateway beside other proxies
	@.ci/need haproxy nginx:nginx-light caddy wrk
	bench/peers/run.sh
	go run ./bench/gateway

smuggling: ## every doubtful request through the gateway to a server of net/http: both must see the same ones
	go test -count=1 -v -run 'TestGatewayAndOriginAgreeOnEveryBoundary|TestHTTP2RequestsThatCouldDesyncReachNoEndpoint' ./internal/gateway

interop: ## the interoperability cases of gRPC through the gateway
	cd conformance && go test -count=1 -v -run TestGRPCInterop .

h2spec: ## h2spec against the gateway
	cd conformance && go test -count=1 -v -run TestH2Spec .

releases: ## what users have of releases, good and bad ones; ten minutes
	go run ./bench/release

judge: ## what the judge of canaries finds in simulated releases; six minutes
	go run ./bench/judge

crashes: ## how long a service is away when its only replica is killed; a minute
	go run ./bench/supervise

storm: ## the same faults behind Afloat, HAProxy and nginx; half an hour
	@.ci/need haproxy nginx:nginx-light nft:nftables
	go run ./bench/storm

demo: build ## see Afloat survive five faults
	bin/afloat demo

ci: ## all that must hold before a change is taken
	@.ci/run

console: ## build the console's page of internal/console/web; needs Node.js 20 or newer
	cd internal/console/web && npm ci --ignore-scripts --no-audit --no-fund && npm run build

screenshots: build ## pictures of every screen of the console, in internal/console/web/shots
	@.ci/need chromium node:nodejs npm
	cd internal/console/web && npm ci --ignore-scripts --no-audit --no-fund && AFLOAT=$(CURDIR)/bin/afloat npm run shots

clean: ## remove what was built
	rm -rf bin
