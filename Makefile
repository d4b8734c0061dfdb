.DEFAULT_GOAL := help
.PHONY: help build test race lint fuzz bench demo ci clean

help: ## show these lines
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

bench: ## the policies beside their peers, and the gateway beside HAProxy and nginx
	@.ci/need haproxy nginx:nginx-light wrk
	bench/peers/run.sh
	go run ./bench/gateway

demo: build ## see Afloat survive five faults
	bin/afloat demo

ci: ## all that must hold before a change is taken
	@.ci/run

clean: ## remove what was built
	rm -rf bin
