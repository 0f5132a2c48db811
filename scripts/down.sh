#!/usr/bin/env bash
# Deletes the kind cluster that `make e2e KEEP=1` kept, with all that was made for it.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

use_engine
# shellcheck disable=SC2086 # ARGS is a list of flags
exec bin/procns.test -down -engine "$ENGINE" ${ARGS:-}
