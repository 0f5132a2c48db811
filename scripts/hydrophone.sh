#!/usr/bin/env bash
# Prints the path of Hydrophone, which runs the suite's image in scripts/check-in-cluster.sh. It is built
# from the Go module that tools/hydrophone names, once: it is kept in the cache.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build_hydrophone() { go_build "$ROOT/tools/hydrophone" -ldflags '-s -w' tool; }

main() {
	local hash
	make_temp
	lock hydrophone
	hash="$(hash_of "$ROOT/tools/hydrophone" "$(go env GOVERSION)" "$(architecture)" "$ROOT/scripts/go.sh" "$(declare -f go_build build_hydrophone)")"
	cached hydrophone "$hash" hydrophone build_hydrophone
	printf '%s\n' "$RESULT/hydrophone"
}

main "$@"
