#!/usr/bin/env bash
# The go command with the flags that all programs are built with here, those of the nodes too:
#
#     scripts/go.sh vet ./...
#     PROCNS_TAGS=field scripts/go.sh vet ./e2e/field    with one more build tag
#
# Nearly all that the suite imports Kubernetes' programs import too, in the same versions: compiled in
# one way, it is compiled once. The tags are those that Kubernetes itself builds with. What a debugger
# would read is not made: compiling takes a tenth longer with it, and no program here keeps it (-w).
# Needs nothing of lib.sh, so that the suite can be built where no node can.
set -euo pipefail

flags="$(go env GOFLAGS)"
export CGO_ENABLED=0
export GOFLAGS="${flags:+$flags }-trimpath -gcflags=all=-dwarf=false -tags=selinux,notest,grpcnotrace${PROCNS_TAGS:+,$PROCNS_TAGS}"
exec go "$@"
