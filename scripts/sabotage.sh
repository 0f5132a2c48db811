#!/usr/bin/env bash
# Proves that every case can fail: makes a kind cluster of its own, breaks it in one way after
# another (e2e/internal/sabotage/mutants), runs the suite against each, writes the matrix of
# cases and mutants, and deletes the cluster.
#
#     scripts/sabotage.sh                                  all mutants
#     MUTANTS=own-pid-namespace,kill-refused make sabotage only these, and the control
#     RECORD=1 make sabotage                               keep the matrix and what was seen in the repository
#     KEEP=1 make sabotage                                 keep the cluster, for the next try; a new
#                                                          runtime mutant needs a new cluster
#
# Reads also ARGS (further flags: -whole runs every case under every mutant, -at-once 3 tries
# three mutants at one time), and what scripts/e2e.sh reads. Exits with 0 if all is as it must
# be, 1 if not, 2 when interrupted, 3 when something could not be set up.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

readonly CLUSTER=procns-sabotage
CHILD_PID=

# shellcheck disable=SC2317,SC2329 # called by the trap
delete_cluster() {
	local code=$?
	trap - EXIT
	trap '' HUP INT TERM
	clean_up
	if [[ -n $CHILD_PID ]]; then
		kill -TERM "$CHILD_PID" 2>/dev/null || true
		wait "$CHILD_PID" || code=$?
	fi
	if [[ ${KEEP:-} != 1 && -n ${ENGINE:-} && -x bin/procns.test ]]; then
		bin/procns.test -down -kind-name "$CLUSTER" -engine "$ENGINE" -report-dir "$folder" || code=3
	fi
	exit "$code"
}

build() {
	step "test binary bin/procns.test" make --no-print-directory build
	step "bin/sabotage" scripts/go.sh build -o bin/sabotage -ldflags -w ./e2e/cmd/sabotage
	step "bin/sabotaged-runtime" build_sabotaged_runtime
}

main() {
	local flags=()
	folder=_artifacts/sabotage-$(date +%Y%m%d-%H%M%S)
	mkdir -p "$folder"
	trap delete_cluster EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	build

	use_engine
	scripts/on-kind.sh >"$folder/on-kind"
	mapfile -d '' -t flags <"$folder/on-kind"
	rm "$folder/on-kind"
	flags=("${flags[@]:1}" -cluster "$CLUSTER" -report-dir "$folder")
	if [[ -n ${MUTANTS:-} ]]; then
		flags+=(-mutants "$MUTANTS")
	fi
	if [[ ${RECORD:-} == 1 ]]; then
		flags+=(-record)
	fi
	# In the background, because bash handles signals while it waits, and not before the end of
	# a command in the foreground.
	# shellcheck disable=SC2086 # ARGS is a list of flags
	bin/sabotage "${flags[@]}" ${ARGS:-} &
	CHILD_PID=$!
	local code=0
	wait "$CHILD_PID" || code=$?
	CHILD_PID=
	say "the reports are in $folder"
	exit "$code"
}

main
