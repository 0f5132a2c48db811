#!/usr/bin/env bash
# Measures what a run costs on a kind cluster of this machine, beside L (a client that makes the same pods
# and does nothing else), the kubectl script and the usual way with e2e-framework, one after the other, in
# rounds; keeps the raw figures, and writes the section of docs/BENCHMARKS.md about them. Nothing else should
# run on the machine meanwhile. A round on two processors takes most of an hour.
#
#     scripts/bench.sh
#     ROUNDS=1 ONLY='^(limit|suite)-all' scripts/bench.sh     one round (of 3) of what matches
#     WORKERS=8 scripts/bench.sh                              a cluster of eight workers, and up to 8 targets
#     TARGETS=2 scripts/bench.sh                              on two targets alone
#     RAW=_artifacts/bench-TIME/raw.json scripts/bench.sh     goes on with what was interrupted
#     PAGE= scripts/bench.sh                                  writes no page
#
# Names for ONLY are WHAT-CASES-TARGETS: limit, suite, by-hand or framework; all, core, walkthrough, 10 or 50.
# The cluster is called procns-bench (CLUSTER). One that is there is used, and stays, unless it has another
# number of workers; one that is made is deleted at the end, unless KEEP=1 is set. Reads what scripts/e2e.sh
# reads, too. Exits with 0 when all was measured, with 2 when interrupted, and with 3 when something could
# not be set up.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

CLUSTER=${CLUSTER:-procns-bench}
WORKERS=${WORKERS:-2}
PAGE=${PAGE-docs/BENCHMARKS.md}
DELETE=

# shellcheck disable=SC2317,SC2329 # called by the trap
delete_cluster() {
	local code=$?
	clean_up
	end_program || code=$?
	if [[ -n $DELETE ]]; then
		bin/procns.test -down -kind-name "$CLUSTER" -engine "$ENGINE" -report-dir "$folder/made" || code=3
	fi
	exit "$code"
}

build() {
	step "test binary bin/procns.test" make --no-print-directory build
	step "bin/bench" scripts/go.sh build -o bin/bench ./e2e/cmd/bench
	step "bin/walkthrough" build_walkthrough
}

build_walkthrough() { (cd tools && ../scripts/go.sh build -o ../bin/walkthrough ./walkthrough); }

# kind_config prints kind's configuration with that many workers.
kind_config() {
	local i
	grep -v '^  - role: worker$' kind-config.yaml
	for ((i = 0; i < WORKERS; i++)); do
		echo '  - role: worker'
	done
}

# targets prints the numbers of targets to measure on: 1, 2, 4, 8, as far as there are workers.
targets() {
	local n list=1
	for n in 2 4 8; do
		if ((n <= WORKERS)); then list+=,$n; fi
	done
	echo "$list"
}

main() {
	local options=() code=0
	[[ $WORKERS =~ ^[1-9][0-9]*$ ]] || die "WORKERS is a number, not '$WORKERS'"
	[[ -z ${RAW:-} || -f $RAW ]] || die "there is no $RAW"
	folder=_artifacts/bench-$(date +%Y%m%d-%H%M%S)
	mkdir -p "$folder"
	on_exit delete_cluster
	build
	use_engine
	kind_config >"$folder/kind-config.yaml"
	kind_flags "$folder"

	if [[ ${KEEP:-} != 1 && -z $("$ENGINE" ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$CLUSTER") ]]; then
		DELETE=1
	fi
	# One case shows that the cluster works.
	step "kind cluster $CLUSTER" bin/procns.test "${KIND_FLAGS[@]}" -keep -kind-name "$CLUSTER" -kind-config "$folder/kind-config.yaml" \
		-report-dir "$folder/made" -run pid1/is-the-sandbox
	if ! have kubectl; then
		mkdir -p bin/kubectl
		"$ENGINE" cp "$CLUSTER-control-plane:/usr/bin/kubectl" bin/kubectl/kubectl
		export PATH="$ROOT/bin/kubectl:$PATH"
	fi
	if [[ -n ${ONLY:-} ]]; then
		options+=(-only "$ONLY")
	fi
	run_program bin/bench run -cluster "$CLUSTER" -kubeconfig "$folder/made/$CLUSTER.kubeconfig" -kind-config "$folder/kind-config.yaml" \
		-rounds "${ROUNDS:-3}" -targets "${TARGETS:-$(targets)}" -report-dir "$folder" -raw "${RAW:-$folder/raw.json}" "${options[@]}" -- "${KIND_FLAGS[@]}" || code=$?
	say "the raw figures are in ${RAW:-$folder/raw.json}"
	if ((code != 0)); then
		exit "$code"
	fi
	if [[ -n $PAGE ]]; then
		bin/bench render "${RAW:-$folder/raw.json}" "$PAGE"
		say "$PAGE is written"
	fi
}

main
