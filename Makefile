# Everything a person or CI does with this tree. `make` lists it.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory

GO := go
# The program is pure Go: one file that runs anywhere.
export CGO_ENABLED = 0

# Empty where a `temporal` command is installed.
TEMPORAL := $(if $(shell command -v temporal 2>/dev/null),,bin/temporal)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: bin/dualwrite $(TEMPORAL) ## build bin/dualwrite, and bin/temporal where no `temporal` command is installed

.PHONY: bin/dualwrite
bin/dualwrite: go-present
	@$(GO) build -trimpath -o $@ ./cmd/dualwrite

# Made once; a build that is cut short leaves nothing behind.
bin/temporal: | go-present
	@echo "Building Temporal's development server into bin/temporal: once, about 5 minutes on two cores."
	@$(GO) -C tools build -trimpath -o ../$@.new github.com/temporalio/cli/cmd/temporal
	@mv $@.new $@

.PHONY: demo
demo: build ## tell the whole story on two SQLite files, or on PostgreSQL: LEFT=postgres://… RIGHT=postgres://…
	@bin/dualwrite demo $(if $(LEFT),--left '$(LEFT)') $(if $(RIGHT),--right '$(RIGHT)')

# Most of an end-to-end test is waiting, so more of them run at a time than there are processors; they come after what keeps processors
# busy, the simulation above all. The convergence test keeps a machine busy by itself: it comes after the others.
.PHONY: test
test: build sqlite3-present postgres-present bin/testcount ## run every test; the last line is the count
	@bin/testcount $(GO) test -json -count=1 -timeout=45m $$($(GO) list ./... | grep -v -e '/e2e$$' -e /e2e/converge) -- \
		$(GO) test -json -count=1 -parallel=4 -timeout=45m ./e2e -- $(GO) test -json -count=1 -timeout=25m ./e2e/converge -- $(GO) -C tools test -json -count=1 ./testcount ./shape ./mutants

.PHONY: simulate
simulate: bin/testcount ## run the engine through seeded interleavings: SEED=1 N=100000
	@SEED=$(or $(SEED),1) N=$(or $(N),100000) bin/testcount $(GO) test -json -count=1 -timeout=0 -run '^TestSimulat' ./replication/...

.PHONY: mutants
mutants: go-present ## make deliberate defects, one after the other, and see that the tests notice each: ONLY=no-floor SEEDS=3000
	@$(GO) -C tools run ./mutants -seeds $(or $(SEEDS),3000) $(if $(ONLY),-only $(ONLY))

.PHONY: fuzz
fuzz: go-present ## let Go search for input that decoders, parsers and quoting do not stand: TIME=1m each
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z]*' . | sed 's|/[^/]*_test.go:func | |' | while read -r folder name; do \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(or $(TIME),1m) "$$folder"; done

.PHONY: soak
soak: build sqlite3-present postgres-present ## seeds of the convergence test, as many as the time allows: DURATION=1h SEED=1000
	@DUALWRITE_E2E_DURATION=$(or $(DURATION),1h) DUALWRITE_E2E_SEED=$(or $(SEED),1000) \
		$(GO) test -v -count=1 -timeout=0 ./e2e/converge

.PHONY: stress
stress: build sqlite3-present postgres-present ## kill worker and Temporal under load, 200 maps, a long copy: KILLS=50 SEED=1 ROWS=1000000
	@DUALWRITE_E2E_SCALE=full DUALWRITE_E2E_KILLS=$(or $(KILLS),50) DUALWRITE_E2E_SEED=$(or $(SEED),1) DUALWRITE_E2E_ROWS=$(or $(ROWS),1000000) \
		$(GO) test -v -count=1 -timeout=0 -parallel=1 -run '^(TestCrash|TestMany|TestLongCopy)' ./e2e

.PHONY: bench
bench: build postgres-present ## measure beside COPY and native replication: BENCH=Copy ROWS=1000000 ROUNDS=3
	@$(GO) test -v -run '^$$' -bench '$(or $(BENCH),.)' -benchtime 1x -timeout 0 ./bench -args \
		-rows $(or $(ROWS),1000000) -rounds $(or $(ROUNDS),3) -results $(CURDIR)/data/bench

.PHONY: lint
lint: go-present lint-format lint-vet lint-static lint-workflows lint-shape ## check format, vet, staticcheck, workflowcheck, sizes

.PHONY: lint-format
lint-format:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change (make fmt):"; echo "$$files"; exit 1; fi

.PHONY: lint-vet
lint-vet:
	@$(GO) vet ./...
	@$(GO) vet -tags failpoints ./worker
	@$(GO) -C tools vet ./testcount ./shape ./mutants

.PHONY: lint-static
lint-static: bin/staticcheck
	@bin/staticcheck ./...
	@cd tools && ../bin/staticcheck ./testcount ./shape ./mutants

.PHONY: lint-workflows
lint-workflows: bin/workflowcheck
	@bin/workflowcheck -config tools/lint/workflowcheck.yaml ./workflows/...

.PHONY: lint-shape
lint-shape: bin/shape
	@bin/shape .

# Known vulnerabilities that the program reaches, built as deploy/Dockerfile builds it. tools/vuln/go.mod names the program
# that looks and the reports that it goes by: go get golang.org/x/vulndb@latest there brings new ones.
RELEASED_WITH := go$(shell sed -n 's/^FROM golang:\([0-9.]*\).*/\1/p' deploy/Dockerfile)

.PHONY: vulncheck
vulncheck: bin/govulncheck ## look for known vulnerabilities in what the program uses
	@reports=$$($(GO) -C tools/vuln mod download -json golang.org/x/vulndb | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'); \
		GOTOOLCHAIN=$(RELEASED_WITH) bin/govulncheck -db "file://$$reports/data/osv" ./cmd/...

.PHONY: fmt
fmt: ## format the Go code
	@gofmt -w .

bin/staticcheck: tools/lint/go.mod tools/lint/go.sum | go-present
	@$(GO) -C tools/lint build -o ../../$@ honnef.co/go/tools/cmd/staticcheck

bin/workflowcheck: tools/lint/go.mod tools/lint/go.sum | go-present
	@$(GO) -C tools/lint build -o ../../$@ go.temporal.io/sdk/contrib/tools/workflowcheck

bin/govulncheck: tools/vuln/go.mod tools/vuln/go.sum | go-present
	@$(GO) -C tools/vuln build -o ../../$@ golang.org/x/vuln/cmd/govulncheck

.PHONY: bin/testcount bin/shape
bin/testcount bin/shape: go-present
	@$(GO) -C tools build -o ../$@ ./$(@F)

.PHONY: go-present
go-present:
	@command -v $(GO) >/dev/null || { echo "Go is missing: version 1.26 or newer from https://go.dev/dl must be on PATH." >&2; exit 1; }

# Tests write to SQLite files with the command line of SQLite, as another application would.
.PHONY: sqlite3-present
sqlite3-present:
	@command -v sqlite3 >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing sqlite3, which the tests use."; \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq sqlite3 >/dev/null; \
		else \
			echo "The tests need the sqlite3 command: sudo apt-get install -y sqlite3" >&2; exit 1; \
		fi; }

# Tests start PostgreSQL servers of their own, from the programs that store/postgres/postgrestest looks for. The package
# must not start one for the machine, so where it is installed here for the first time it is told not to.
POSTGRES := $(firstword $(wildcard $(shell command -v postgres 2>/dev/null) /usr/lib/postgresql/*/bin/postgres \
	$(shell pg_config --bindir 2>/dev/null)/postgres) $(DUALWRITE_TEST_POSTGRES_A))

.PHONY: postgres-present
postgres-present:
	@[ -n "$(POSTGRES)" ] || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing postgresql, which the tests use."; \
			export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; \
			[ -e /etc/postgresql-common/createcluster.conf ] || { \
				apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null; \
				sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf; \
			}; \
			apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
		else \
			echo "The tests need PostgreSQL 15 or newer, not running: sudo apt-get install -y postgresql" >&2; exit 1; \
		fi; }
