#!/usr/bin/env bash
# Tries each fuzz target for FUZZTIME: 3s unless told otherwise. The seeds are tried by the unit tests
# as well.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

FUZZTIME="${FUZZTIME:-3s}"

# make lint vets, and no debugger is going to read these programs.
readonly TEST_FLAGS="-vet=off -gcflags=all=-dwarf=false"

# fuzz_targets prints a package and one of its fuzz targets a line. They are read from the source:
# `go test -list` would link every package's tests once more for it.
fuzz_targets() {
	local file name
	{ grep --recursive --include='*_test.go' -E '^func Fuzz[^(]*\(' ./e2e ./scripts || (($? == 1)); } |
		while IFS=: read -r file name; do
			name="${name#func }"
			printf '%s %s\n' "$(dirname "$file")" "${name%%(*}"
		done
}

# fuzz PACKAGE TARGET tries one target for a while, and ends xargs if it finds a failure.
fuzz() {
	local package="$1" target="$2" begin=$SECONDS said tries=3
	# Without a bound, minimizing what is new eats all of so short a time.
	# shellcheck disable=SC2086 # a list of flags
	until said=$(go test $TEST_FLAGS -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x -parallel 1 "$package" 2>&1); do
		# Before Go 1.27, the end of the time itself can be reported as a failure (go.dev/issue/75804):
		# alone, and no input is kept. Such a run found nothing, and is made again.
		if ((--tries)) && [[ $said == *$'\n    context deadline exceeded\nFAIL\n'* && $said != *"Failing input written"* ]]; then
			say "$target: its time ended within a try: once more"
			continue
		fi
		printf '%s\nfuzz: %s in %s found a failure: the input is kept below its testdata/fuzz\n' "$said" "$target" "$package" >&2
		exit 255
	done
	say "$target: $((SECONDS - begin))s"
}

require_go

targets=$(fuzz_targets)
# One target a processor: targets that wait for each other would take a minute.
export -f fuzz say
export FUZZTIME TEST_FLAGS
xargs -n 2 -P "$(getconf _NPROCESSORS_ONLN)" bash -c 'fuzz "$@"' fuzz <<<"$targets" || exit 1
say "fuzz: $(wc -l <<<"$targets") targets found nothing (${SECONDS}s)"
