#!/usr/bin/env bash
# Compares runs with the budget of pods and execs (e2e/internal/bench/budget.yaml):
#
#     scripts/budget.sh _artifacts/RUN/report.json ...
#
# Exits with 0 if each run is within its limit, with 1 if one is not, and with 3 if that cannot be told:
# only complete runs of the whole catalogue, or of its Core cases, have a budget.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/go.sh build -o bin/bench ./e2e/cmd/bench # go run would change the exit code
exec bin/bench budget "$@"
