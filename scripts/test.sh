#!/usr/bin/env bash
# Runs the unit tests: everything that needs no cluster. make lint vets the code, make test-race tests
# it with the race detector, and make fuzz tries the fuzz targets: each of them compiles all that the
# tests import in a way of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

require_go
if ! have xmllint; then
	if debian_like; then
		require_packages libxml2-utils
	else
		say "xmllint is not installed: the JUnit report is not validated against its schema"
	fi
fi

say "go test"
scripts/go.sh test -vet=off ./...
# What writes images, in the module of the tools.
(cd tools && ../scripts/go.sh test -vet=off ./...)
say "test: passed (${SECONDS}s)"
