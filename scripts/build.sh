#!/usr/bin/env bash
# Builds the suite as one static program:
#
#     scripts/build.sh FILE [OS/ARCHITECTURE]      default: this machine's
#
# VERSION and COMMIT say what it calls itself: default what git says. The same source makes the same
# bytes, on any machine. Needs nothing of lib.sh, so that the suite can be built where no node can.
set -euo pipefail
cd "$(dirname "$0")/.."

file="$1"
platform="${2:-$(go env GOOS)/$(go env GOARCH)}"
version="${VERSION:-$(git describe --always --dirty --tags 2>/dev/null || echo unversioned)}"
commit="${COMMIT:-$(git describe --always --dirty --abbrev=40 --exclude '*' 2>/dev/null || echo unknown)}"

export GOOS="${platform%%/*}" GOARCH="${platform#*/}"
exec scripts/go.sh test -c -o "$file" \
	-ldflags "-s -w -X procns/e2e.suiteVersion=$version -X procns/e2e/internal/build.commit=$commit" ./e2e
