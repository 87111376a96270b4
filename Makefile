# Everything a developer types. Only Go, git and make are expected to be there.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 30s
BENCH    ?= .

# All packages but e2e, and those of them with tests that the race detector leaves out.
unit_packages    = $$(go list ./... | grep -v '/e2e')
no_race_packages = $$(grep -rlE --include='*_test.go' '^//go:build .*!race' . | xargs -r dirname | sort -u | grep -vE '^\./(e2e|pool/bench)' || true)

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run Nearside with the variables of this shell
	go run .

.PHONY: demo
demo: ## Run a sample data API with Nearside in front of it
	go run . demo

.PHONY: build
build: ## Build the static binary bin/nearside
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)" -o bin/nearside .

.PHONY: image
image: ## Build the container image nearside:VERSION
	docker build --build-arg VERSION=$(VERSION) --tag nearside:$(VERSION) .

.PHONY: deps
deps: ## Install what the tests need from the system's packages
	@.ci/deps

# The race detector runs all unit tests, so without it only those remain that it leaves out (they count allocations).
.PHONY: test
test: deps ## Run all tests: unit, race, e2e
	@packages="$(no_race_packages)"; [ -z "$$packages" ] || (set -x; go test -timeout 5m $$packages)
	@$(MAKE) --no-print-directory rules race e2e

.PHONY: unit
unit: ## Run the unit tests
	go test -timeout 5m $(unit_packages)

.PHONY: race
race: ## Run the unit tests under the race detector
	CGO_ENABLED=1 go test -race -timeout 10m $(unit_packages)

.PHONY: rules
rules: ## Show that each rule of the invalidation log is needed: without it, the model and races find old responses
	go test -v -count=1 -timeout 10m -tags rules -run TestRules ./tiers/invalidation ./e2e

.PHONY: e2e
e2e: ## Run the end-to-end tests: real binaries, redis-server, nginx
	CGO_ENABLED=1 go test -count=1 -timeout 15m ./e2e/...

.PHONY: figures
figures: ## Measure what the README says, on a machine with nothing else to do (20 minutes)
	FIGURES=1 go test -count=1 -timeout 30m -v -run 'TestStampede|TestFleetFetchesOnce|TestPurgeFigures|TestPurgeStorm|TestStorm|TestMillion|TestIdleConnections' ./e2e
	go test -run '^$$' -bench Served ./e2e
	go test -run '^$$' -bench 'Get(Hit|Tail)' -cpu 1,2 ./tiers/memory

.PHONY: races
races: ## Race 10,000 purges against fetches, twice: once with sidecars stopped, killed and cut off (RACES=n)
	RACES=$(or $(RACES),10000) CGO_ENABLED=1 go test -v -count=1 -timeout 90m -run 'TestPurgeRaces' ./e2e/
	RACES=$(or $(RACES),10000) go test -v -count=1 -timeout 30m -tags rules -run TestRules ./e2e/

.PHONY: bench
bench: ## Run the benchmarks (BENCH=regexp)
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(unit_packages)
	cd pool/bench && go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: hitratio
hitratio: ## Print L1's hit ratio on the traces in the folder TRACES
	go run ./tiers/memory/hitratio -traces "$(TRACES)"

.PHONY: fuzz
fuzz: ## Fuzz each target for FUZZTIME (30s)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file func; do \
		(set -x; go test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")") </dev/null; \
	done

.PHONY: readme
readme: ## Write the table of variables into README.md
	@table=$$(mktemp); go run . -help markdown >"$$table"; \
	sed -i -e '/<!-- variables -->/,/<!-- \/variables -->/{//!d}' -e "/<!-- variables -->/r $$table" README.md; rm -f "$$table"

.PHONY: fmt
fmt: ## Format the code
	gofmt -s -w .

.PHONY: lint
lint: ## Check formatting, vet, staticcheck and the go.mod files
	@.ci/lint

.PHONY: ci
ci: ## Do what the continuous integration does
	@.ci/run
