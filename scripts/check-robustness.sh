#!/usr/bin/env bash
# Disturbs runs of the suite on a real cluster, and demands of each that it ends in time, that it
# calls nothing non-conformant, and that it leaves nothing behind:
#
#     scripts/check-robustness.sh [DISTURBANCE ...]     api-server node exec shim deleted drained kept; default: all
#
# api-server   the API server is stopped; kubelet starts it again
# node         a worker's container is stopped; what was to run there is inconclusive
# exec         every connection to a worker's kubelet is cut, ten times
# shim         a worker's shims are stopped for longer than the runtime waits for them, ten times
# deleted      somebody deletes all pods of the run that are there, three times
# drained      somebody drains a worker
# kept         all nodes are killed, as a restart of the machine does: the next run makes the kept
#              cluster anew, and is conformant
#
# A kind cluster is made for it (as make e2e makes it, and kept under its name meanwhile) and deleted.
# CASES are the cases to run (default below), LIMIT the seconds within which a run has to end.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
# shellcheck source=scripts/check-lib.sh
. scripts/check-lib.sh

CASES=${CASES:-visibility,signals,filesystem,lifecycle,walkthrough,reaping}
LIMIT=${LIMIT:-900}

disturb_api-server() {
	# shellcheck disable=SC2016 # for the shell in the node
	on_control_plane sh -c 'crictl stop "$(crictl ps --quiet --name kube-apiserver)"' >/dev/null
}

disturb_node() { engine_quietly stop --time 0 "$CLUSTER-worker2"; }

disturb_exec() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		on_node worker ss --kill --tcp 'sport = :10250' >/dev/null 2>&1
		sleep 2 # between two cuts, so that new connections are made
	done
}

disturb_shim() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		on_node worker pkill -STOP -f containerd-shim-runc-v2
		sleep 4 # twice as long as containerd waits for a shim to tell its state
		on_node worker pkill -CONT -f containerd-shim-runc-v2
		sleep 2 # between two stops, so that what waited is done
	done
}

disturb_deleted() {
	local namespace
	namespace=$(kubectl get namespaces --selector procns.run --output 'jsonpath={.items[0].metadata.name}')
	for _ in 1 2 3; do
		kubectl --namespace "$namespace" delete pods --all --wait=false >/dev/null
		sleep 5 # so that others have come
	done
}

disturb_drained() {
	kubectl drain "$CLUSTER-worker2" --pod-selector procns.run --force --delete-emptydir-data --ignore-daemonsets --timeout 60s >/dev/null 2>&1 || true
}

mend_api-server() { until_ready; }
mend_node() {
	engine_quietly start "$CLUSTER-worker2"
	until_ready
}
mend_deleted() { :; }
mend_drained() { kubectl uncordon "$CLUSTER-worker2" >/dev/null; }
mend_exec() { :; }
mend_shim() { :; }

check() {
	local disturbance=$1 code=0 began=$SECONDS
	start_run -nodes all -run "$CASES"
	await_results 20
	"disturb_$disturbance"
	await_run "$LIMIT" || code=$?
	"mend_$disturbance"
	local non_conformant inconclusive conformant
	conformant=$(results conformant)
	non_conformant=$(results non-conformant)
	inconclusive=$(results inconclusive)
	say "$disturbance: ended after $((SECONDS - began))s with exit code $code: $conformant conformant, $non_conformant non-conformant, $inconclusive inconclusive"
	expect "$disturbance" "no result is non-conformant" [ "$non_conformant" = 0 ]
	expect "$disturbance" "the exit code is 0 or 2" [ "$code" = 0 -o "$code" = 2 ]
	expect "$disturbance" "something is conformant" [ "$conformant" -gt 0 ]
	expect "$disturbance" "nothing is left on the cluster" nothing_left
	show_reasons inconclusive
}

check_kept() {
	local code=0 node replaced
	for node in control-plane worker worker2; do
		engine_quietly kill "$CLUSTER-$node"
	done
	KEEP=1 ARGS="-kind-name $CLUSTER -report-dir $CHECKS/made -run pid1/is-the-sandbox" scripts/e2e.sh >"$CHECKS/kept.log" 2>&1 || code=$?
	replaced=$(grep 'no longer works' "$CHECKS/kept.log" || true)
	REPORTS=$CHECKS/kept.log
	say "kept: exit code $code: $replaced"
	expect kept "the cluster was made anew" [ -n "$replaced" ]
	expect kept "the run is conformant" [ "$code" = 0 ]
}

make_cluster kind-config.yaml
disturbances=("$@")
[ "$#" -gt 0 ] || disturbances=(api-server node exec shim deleted drained kept)
for disturbance in "${disturbances[@]}"; do
	if [[ $disturbance == kept ]]; then
		check_kept
	else
		check "$disturbance"
	fi
done
conclude
