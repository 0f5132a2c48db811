#!/usr/bin/env bash
# Runs the suite several times against one cluster, and prints a table of the runs
# and of every result that was not the same in all of them:
#
#     scripts/repeat.sh RUNS [FLAG ...]
#
# The table is kept beside the reports. Flags go to the test binary; without -kubeconfig a kind
# cluster is made for all the runs together, and deleted at the end. Exits with 0 if all runs agree
# on conformant, with 1 if two runs disagree, and else with the worst exit code of the runs.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-}
if ! [[ $runs =~ ^[1-9][0-9]*$ ]]; then
	echo "usage: scripts/repeat.sh RUNS [FLAG ...]: RUNS is a number, such as 20" >&2
	exit 3
fi
shift

folder=_artifacts/repeated-$(date +%Y%m%d-%H%M%S)
mkdir -p "$folder"
ended=() # the reports of the runs that came to their end
own=1
for flag in "$@"; do
	case "$flag" in -kubeconfig* | --kubeconfig* | -context* | --context* | -in-cluster* | --in-cluster*) own='' ;; esac
done

# tabulate compares the runs that came to their end, also after an interrupt.
# shellcheck disable=SC2317,SC2329 # called by the trap
tabulate() {
	if ((${#ended[@]} > 1)); then
		scripts/go.sh run ./e2e/cmd/stability "${ended[@]}" | tee "$folder/stability.md"
	fi
}

# shellcheck disable=SC2317,SC2329 # called by the trap
clean_up() {
	local code=$?
	if [[ $own ]]; then
		make --no-print-directory down >/dev/null || echo "repeat: the cluster is left: make down" >&2
	fi
	if ! tabulate; then
		code=1
	fi
	echo "repeat: the reports are in $folder" >&2
	exit "$code"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

worst=0
for ((run = 1; run <= runs; run++)); do
	code=0
	begin=$SECONDS
	KEEP="$own" ARGS="-report-dir $folder/$run $*" scripts/e2e.sh >"$folder/out" 2>&1 || code=$?
	reports=("$folder/$run"/*/report.json)
	if [[ ! -f ${reports[0]} ]]; then
		tail -n 5 "$folder/out" >&2
		echo "repeat: run $run wrote no report (exit code $code)" >&2
		exit 3
	fi
	ended+=("${reports[0]}")
	printf '==> run %d: exit code %d, %ds: %s\n' "$run" "$code" "$((SECONDS - begin))" "$(tail -n 1 "$folder/out")"
	if ((code > worst)); then
		worst=$code
	fi
done
exit "$worst"
