#!/usr/bin/env bash
# Runs a program for a kind cluster on this machine, with the flags that name what it is made of:
#
#     scripts/on-kind.sh PROGRAM [FLAG ...]
#
# runs PROGRAM -engine … -node-image … -image NAME=REFERENCE … -load ARCHIVE … FLAG ...: the test binary,
# or the campaign of make sabotage. Before that, the engine is chosen, and the images are pulled or
# built: scripts/engine.sh, node-image.sh and workload-images.sh say what they read. Without a program
# it prints CONTAINERS_CONF, the one setting outside the flags, and the flags, each with a NUL byte
# behind it: e2e/internal/gotest reads them.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
	local flags=() node_image workloads name reference archive
	use_engine
	node_image=$("$ROOT/scripts/node-image.sh")
	flags+=(-engine "$ENGINE" -node-image "$node_image")
	workloads=$("$ROOT/scripts/workload-images.sh")
	while IFS=$'\t' read -r name reference archive; do
		flags+=(-image "$name=$reference" -load "$archive")
	done <<<"$workloads"
	if (($# == 0)); then
		printf '%s\0' "${CONTAINERS_CONF:-}" "${flags[@]}"
		return
	fi
	exec "$1" "${flags[@]}" "${@:2}"
}

main "$@"
