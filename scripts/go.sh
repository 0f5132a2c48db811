#!/usr/bin/env bash
# The go command with the flags that Kubernetes' programs are built with here (go_build in lib.sh,
# build_kubernetes in node-image.sh):
#
#     scripts/go.sh vet ./...
#
# Nearly all that the suite imports they import too, in the same versions: compiled in one way, it
# is compiled once. Needs nothing of lib.sh, so that the suite can be built where no node can.
set -euo pipefail

flags="$(go env GOFLAGS)"
export CGO_ENABLED=0
export GOFLAGS="${flags:+$flags }-trimpath -gcflags=all=-dwarf=false -tags=selinux,notest,grpcnotrace"
exec go "$@"
