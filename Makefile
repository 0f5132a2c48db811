# Each target is one short script of scripts/, which says what it does and needs.

.DEFAULT_GOAL := help
VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo unversioned)

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: e2e
e2e: ## The main job: a kind cluster, every case on each worker, a report. KEEP=1 keeps the cluster, ARGS="…" are flags.
	@scripts/e2e.sh

.PHONY: upgrade-e2e
upgrade-e2e: ## A real upgrade on kind, undrained and drained, before and after which every case is run: FROM=v1.36.3 TO=v1.37.2.
	@scripts/upgrade.sh

.PHONY: repeat-e2e
repeat-e2e: ## The suite RUNS times (10) on one kind cluster, and a table of what was not the same in all of them.
	@scripts/repeat.sh $(or $(RUNS),10) $(ARGS)

.PHONY: field-e2e
field-e2e: ## What real clusters do to a run, on a kind cluster: policies, webhooks, signals. INPUTS='a|b' tries some.
	@scripts/field.sh

.PHONY: acceptance
acceptance: ## Runs as users make them, disturbed and interrupted, on a kind cluster: hours. TESTS=TestRobustness/node tries some.
	@scripts/acceptance.sh

.PHONY: runtimes-e2e
runtimes-e2e: ## crun, gVisor and an older runc beside the node's own: every case on each, docs/RUNTIMES.md. RUNTIMES=crun tries some.
	@scripts/runtimes.sh

.PHONY: report-e2e
report-e2e: ## report.html in a real headless Chromium: filters, keyboard, screen reader, print, hostile text. REPORTS=a/report.json tries it too.
	@scripts/report-page.sh

.PHONY: vm-e2e
vm-e2e: ## A node with another kernel (cgroup v2, AppArmor, Yama), under emulation, in three set-ups: hours. YAMA=1, CONFINED=0, CASES=a,b try some.
	@scripts/vm.sh

.PHONY: simulated-e2e
simulated-e2e: ## A cluster of NODES (100) simulated nodes on this machine, FAULTY (2) of them: what a run costs. No verdict about any runtime.
	@scripts/simulated.sh

.PHONY: in-cluster-e2e
in-cluster-e2e: ## The bundle's image as a Job, and as Sonobuoy's plugin, on a kind cluster, sound and broken.
	@scripts/check-in-cluster.sh

.PHONY: hydrophone-e2e
hydrophone-e2e: ## Hydrophone, built from its Go module, runs the bundle's image on a kind cluster, sound and broken.
	@scripts/check-in-cluster.sh hydrophone

.PHONY: registry-e2e
registry-e2e: ## A kind cluster that pulls from a registry of this machine: one that serves, asks for a password, refuses, throttles, stalls.
	@scripts/check-in-cluster.sh registry

.PHONY: bench
bench: ## What a run costs, on a kind cluster: beside a bare client, a kubectl script, e2e-framework. ROUNDS (3), ONLY, WORKERS. Hours.
	@scripts/bench.sh

.PHONY: versions
versions: ## Print the Kubernetes versions that are supported, as JSON: the nightly run's matrix.
	@scripts/versions.sh

.PHONY: upgrades
upgrades: ## Print the upgrades between them, in the same way.
	@scripts/versions.sh upgrades

.PHONY: containerds
containerds: ## Print the versions of containerd that are supported, each with a Kubernetes, in the same way.
	@scripts/versions.sh containerd

.PHONY: down
down: build ## Delete the cluster that KEEP=1 kept.
	@scripts/down.sh

.PHONY: sabotage
sabotage: ## Prove that every case can fail: a kind cluster, broken on purpose. MUTANTS=a,b tries some, RECORD=1 keeps what was seen.
	@scripts/sabotage.sh

.PHONY: test
test: ## The unit tests: everything that needs no cluster.
	@scripts/test.sh

.PHONY: test-race
test-race: ## The unit tests with the race detector.
	@scripts/test-race.sh

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME (3s).
	@scripts/fuzz.sh

.PHONY: lint
lint: ## Check the code: gofmt, vet, staticcheck, shellcheck, actionlint.
	@scripts/lint.sh

.PHONY: build
build: ## Build the suite as one file: bin/procns.test.
	@VERSION=$(VERSION) scripts/build.sh bin/procns.test

.PHONY: image
image: ## The suite's own image, for amd64 and arm64, without a container engine: dist/image/.
	@VERSION=$(VERSION) scripts/image.sh

.PHONY: bundle
bundle: ## Programs, images and manifests for where there is no registry: dist/bundle.tar.
	@VERSION=$(VERSION) scripts/bundle.sh

.PHONY: release
release: ## Static programs for linux and darwin, checksums, an SPDX list: dist/release/.
	@VERSION=$(VERSION) scripts/release.sh

.PHONY: clean
clean: ## Remove what was built. Reports in _artifacts/ stay.
	rm -rf bin dist
