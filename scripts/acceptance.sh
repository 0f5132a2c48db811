#!/usr/bin/env bash
# Runs the suite on real clusters as users do, disturbs and interrupts it, and checks what comes of it
# (e2e/acceptance, whose tests have the build tag acceptance). A kind cluster is made for them, as make e2e
# makes it, and deleted, also after an interrupt.
#
#     scripts/acceptance.sh
#     TESTS=TestAnyCluster/input scripts/acceptance.sh     some of them: a pattern as for go test -run
#
# TestAnyCluster   input preflight rbac incluster taints image twice interrupts signals plugin cleanup reports
#                  restricted single
# TestInterrupts   make e2e, interrupted MOMENTS (1 3 10 25 50 70) seconds after its start
# TestRobustness   api-server node exec shim deleted drained kept
#
# CASES are the cases of the shorter runs, LIMIT the seconds that a run may take, INTERRUPTS (50) how many runs
# TestAnyCluster/interrupts interrupts, and SEED what its random moments are made of. The exit code is 0 if all
# passed. Hours: go test's own limit of ten minutes does not apply.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

# A step runs in a process group of its own: an interrupt has to be passed on.
on_exit clean_up
require_go
have xmllint || require_packages libxml2-utils
step "test binary bin/acceptance.test" env PROCNS_TAGS=acceptance scripts/go.sh test -c -o bin/acceptance.test ./e2e/acceptance
# Not under go test, which makes any failure exit code 1 of its own, and ends tests that clean up.
exec bin/acceptance.test -test.v -test.run="${TESTS:-^Test(AnyCluster|Interrupts|Robustness)\$}"
