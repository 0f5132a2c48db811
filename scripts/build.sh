#!/usr/bin/env bash
# Builds the suite as one file, bin/procns.test: a static program for this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

step "test binary bin/procns.test" build_suite
