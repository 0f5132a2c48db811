# Each target is one short script of scripts/, which says what it does and needs.

.DEFAULT_GOAL := help
VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo unversioned)

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: e2e
e2e: ## The main job: a kind cluster, every case on each worker, a report. KEEP=1 keeps the cluster, ARGS="…" are flags.
	@scripts/e2e.sh

.PHONY: down
down: build ## Delete the cluster that KEEP=1 kept.
	@scripts/down.sh

.PHONY: test
test: ## Everything that needs no cluster: vet, unit tests, each fuzz target for FUZZTIME (3s).
	@scripts/test.sh

.PHONY: lint
lint: ## Check the code: gofmt, vet, staticcheck, shellcheck, actionlint.
	@scripts/lint.sh

.PHONY: build
build: ## Build the suite as one file: bin/procns.test.
	go test -c -o bin/procns.test -ldflags "-X procns/e2e.suiteVersion=$(VERSION)" ./e2e

.PHONY: clean
clean: ## Remove what was built. Reports in _artifacts/ stay.
	rm -rf bin
