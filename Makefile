# Commands for people who work on shmring. `make help` lists them.
GO      ?= go
TOOLS   := $(CURDIR)/.tools
T       ?= 10s
N       ?= 1000
RUNS    ?= 5
SIZE    ?= small
RACEPKG := ./internal/... ./futex/... ./state/... ./shm/... ./ring/... ./channel/... ./channeltest/... ./manager/... ./link/...

.PHONY: help test plot adapters runner demo-runner race fuzz fault evidence bench bench-report lint model mutants demo man reference check vet fmt staticcheck tools clean

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

test: ## all tests, shuffled
	$(GO) test -shuffle=on -timeout 10m ./...

plot: ## the module of bench/plot, which draws what benchmarks measured
	cd bench/plot && GOWORK=off $(GO) vet ./... && GOWORK=off $(GO) mod tidy -diff && \
	  GOWORK=off $(GO) test -shuffle=on -timeout 5m ./...

adapters: ## the modules in adapters, which depend on others than shmring does
	cd adapters/prom && GOWORK=off $(GO) vet ./... && GOWORK=off $(GO) mod tidy -diff && \
	  GOWORK=off $(GO) test -shuffle=on -timeout 5m ./...

runner: ## the module of examples/runner: an inference server and its runners
	cd examples/runner && GOWORK=off $(GO) vet ./... && GOWORK=off $(GO) mod tidy -diff && \
	  GOWORK=off $(GO) test -shuffle=on -timeout 5m ./...

race: ## tests of the core under the race detector, on 1, 2 and 4 processors
	$(GO) test -race -shuffle=on -cpu 1,2,4 -timeout 15m $(RACEPKG)

fuzz: ## every fuzz target for T each (T=10s); SHMRING_EVIDENCE=dir writes a record
	$(GO) run ./internal/evidence/fuzzreport -time $(T)

fault: ## kill processes at every fault point, and N times at random (N=1000)
	$(GO) test -tags fault -timeout 30m ./internal/fault/... ./futex/... ./state/... ./shm/... ./ring/... ./channel/... ./manager/... ./link/...
	SHMRING_KILLS=$(N) $(GO) test -run 'Kill' -count=1 -timeout 30m ./channel/

evidence: ## run every engine at SIZE=small (minutes) or release (hours), and publish what they saw
	$(GO) run ./internal/evidence/campaign -size $(SIZE)

bench: ## messages between processes, beside the bare means of the machine
	$(GO) test -run '^$$' -bench '^Benchmark(Bare|Floor|RoundTrip|Stream|Size)$$' -benchtime 1s -timeout 1h ./bench

bench-report: ## the suite RUNS times (RUNS=5; hours) into bench/results, with a report and pictures
	$(GO) run ./bench/suite -runs $(RUNS) -out bench/results
	cd bench/plot && GOWORK=off $(GO) run . -in ../results -out ../results

model: ## check the protocol's models (needs spin and gcc)
	docs/model/run.sh

mutants: ## break one rule after another: the tests must notice each
	$(GO) run ./internal/mutants -write

demo: ## the main job: processes exchange every file of the Go source tree
	$(GO) run ./cmd/shmctl demo

demo-runner: ## an inference server under load, kills and stops, over shared memory and HTTP (ARGS=-short)
	cd examples/runner && GOWORK=off $(GO) run . demo $(ARGS)

man: ## write the manual pages of shmctl to man/
	$(GO) run ./cmd/shmctl man man

reference: ## write docs/CLI.md and the fields of --json in docs/SHMCTL.md
	$(GO) run ./cmd/shmctl man --markdown docs

check: fmt vet staticcheck test race ## what a change must pass

vet:
	$(GO) vet ./...
	$(GO) vet -tags fault ./...

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-clean: $$out"; exit 1; }

staticcheck: $(TOOLS)/staticcheck
	$(TOOLS)/staticcheck ./...

lint: $(TOOLS)/golangci-lint ## golangci-lint with the whole rule set
	$(TOOLS)/golangci-lint run ./...
	cd adapters/prom && GOWORK=off $(TOOLS)/golangci-lint run ./...
	cd bench/plot && GOWORK=off $(TOOLS)/golangci-lint run ./...
	cd examples/runner && GOWORK=off $(TOOLS)/golangci-lint run ./...

tools: $(addprefix $(TOOLS)/,staticcheck golangci-lint gofumpt benchstat) ## install them in .tools

$(TOOLS)/staticcheck:
	GOBIN=$(TOOLS) $(GO) install honnef.co/go/tools/cmd/staticcheck@v0.8.2
$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
$(TOOLS)/gofumpt:
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@v0.12.0
$(TOOLS)/benchstat:
	GOBIN=$(TOOLS) $(GO) install golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

clean: ## remove tools and test binaries
	rm -rf $(TOOLS) bin
