#!/usr/bin/env bash
# Runs the suite against many nodes that are simulated on this machine: a control plane of real programs,
# KWOK in place of kubelets, and answers from recordings in place of containers.
#
#     scripts/simulated.sh
#     NODES=1000 FAULTY=2 scripts/simulated.sh
#     ARGS="-run pid1/no-container-is" scripts/simulated.sh     other flags than those below
#     INTERRUPT=50 scripts/simulated.sh                         interrupted when 50 nodes have answered, and resumed
#     HOLD=1 scripts/simulated.sh                               only the cluster, until Ctrl-C
#
# It shows what a large cluster asks of the suite and of its API server, and says it at the end: requests a
# node, memory, CPU. About any runtime it shows nothing, and such a run is never conformant. Of the faulty
# nodes, every other one isolates where it has to share, and the kubelet of the others never answers.
#
# Needs no container engine: 1 GB of memory for the first thousand nodes, and half of that for each
# further one. Reads K8S_VERSION and PROCNS_CACHE too. Reports are in _artifacts/simulated-TIME. Ends with 0
# if each faulty node was found, and no other one; 1 if not; 2 when interrupted; 3 when something could not
# be set up. Nothing of the cluster is left, however it ends.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

# A sweep, without what it asks of one node of each kind alone: nothing can be done to a container that is
# not there.
readonly READS='-profile sweep -run pid1/no-container-is,visibility/every-ordered-pair,visibility/one-namespace'

build_kwok() { go_build "$ROOT/tools/kwok" -ldflags '-s -w' tool; }

main() {
	local programs parts=() hash kwok flags=()
	programs="$(scripts/node-image.sh control-plane)"
	mapfile -t parts <<<"$programs"
	make_temp
	lock kwok
	hash="$(hash_of "$ROOT/tools/kwok" "$(go env GOVERSION)" "$(architecture)" "$ROOT/scripts/go.sh" "$(declare -f go_build build_kwok)")"
	cached kwok "$hash" KWOK build_kwok
	kwok="$RESULT/kwok"
	exec {LOCK}>&-
	LOCK=
	step "test binary bin/procns.test" make --no-print-directory build
	step "bin/simulated" scripts/go.sh build -o bin/simulated ./e2e/cmd/simulated
	if [[ ${HOLD:-} == 1 ]]; then
		flags+=(-hold)
	fi
	if [[ -n ${INTERRUPT:-} ]]; then
		flags+=(-interrupt-at "$INTERRUPT")
	fi
	mkdir "$TEMP/cluster"
	# It tidies up by itself. bash has background commands ignore SIGINT.
	# shellcheck disable=SC2086 # lists of flags
	env --default-signal=INT bin/simulated "${flags[@]}" -folder "$TEMP/cluster" -nodes "${NODES:-100}" -faulty "${FAULTY:-2}" \
		-etcd "${parts[0]}" -kube-apiserver "${parts[1]}" -kube-controller-manager "${parts[2]}" -kube-scheduler "${parts[3]}" -kwok "$kwok" \
		-report-dir "_artifacts/simulated-$(date +%Y%m%d-%H%M%S)" -- ${ARGS:-$READS} &
	await $!
}

# await PROCESS waits for a process that ends by itself when it is asked to, and hands signals on to it.
await() {
	local process="$1" signal code=0
	for signal in HUP INT TERM; do
		# shellcheck disable=SC2064 # this process
		trap "kill -$signal $process 2>/dev/null || true" "$signal"
	done
	wait "$process" || code=$?
	while kill -0 "$process" 2>/dev/null; do # a signal ended the wait, not the process
		code=0
		wait "$process" || code=$?
	done
	return "$code"
}

main
