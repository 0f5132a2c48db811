#!/usr/bin/env bash
# Runs the unit tests with the race detector, which needs a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_go
have "$(go env CC)" || require_packages gcc libc6-dev

say "go test -race"
# No debugger is going to read these programs.
CGO_ENABLED=1 go test -race -vet=off -gcflags=all=-dwarf=false ./...
say "test-race: passed (${SECONDS}s)"
