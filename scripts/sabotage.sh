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

# shellcheck disable=SC2317,SC2329 # called by the trap
delete_cluster() {
	local code=$?
	clean_up
	end_program || code=$?
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
	local flags code=0
	folder=_artifacts/sabotage-$(date +%Y%m%d-%H%M%S)
	mkdir -p "$folder"
	on_exit delete_cluster
	build

	use_engine
	kind_flags "$folder"
	flags=("${KIND_FLAGS[@]}" -cluster "$CLUSTER" -report-dir "$folder")
	if [[ -n ${MUTANTS:-} ]]; then
		flags+=(-mutants "$MUTANTS")
	fi
	if [[ ${RECORD:-} == 1 ]]; then
		flags+=(-record)
	fi
	# shellcheck disable=SC2086 # ARGS is a list of flags
	run_program bin/sabotage "${flags[@]}" ${ARGS:-} || code=$?
	say "the reports are in $folder"
	exit "$code"
}

main
