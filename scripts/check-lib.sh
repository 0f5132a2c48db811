# shellcheck shell=bash
# Helpers shared by the scripts that check the suite on real clusters. Source it after lib.sh.

CLUSTER=procns-check # name of the kind cluster that the check makes
CHECKS="$ROOT/_artifacts/checks-$(date +%Y%m%d-%H%M%S)"
mkdir -p "$CHECKS"
FAILURES=0
RUNNING= # process ID of the run in the background
HELPER=  # process ID of what serves the check in the background
REPORTS= # its report folder
RUNS=0

# make_cluster makes the check's cluster from a configuration of kind's, in place of the one before,
# and sees to its deletion.
make_cluster() {
	use_engine
	if [[ -e $CHECKS/made ]]; then
		delete_cluster
	fi
	on_exit conclude_badly
	say "making the cluster $CLUSTER (log: $CHECKS/made.log)"
	# One case shows that the cluster works.
	KEEP=1 ARGS="-kind-name $CLUSTER -kind-config $1 -report-dir $CHECKS/made -run pid1/is-the-sandbox" scripts/e2e.sh >"$CHECKS/made.log" 2>&1 ||
		{ tail -n 5 "$CHECKS/made.log" >&2; die "the cluster could not be made"; }
	KUBECONFIG=$CHECKS/made/$CLUSTER.kubeconfig
	export KUBECONFIG
	IMAGE_FLAGS=()
	local name reference
	while IFS=$'\t' read -r name reference _; do
		IMAGE_FLAGS+=(-image "$name=$reference")
	done < <(scripts/workload-images.sh 2>/dev/null)
}

# shellcheck disable=SC2317,SC2329 # called by the trap
conclude_badly() {
	local code=$?
	if [[ -n $RUNNING ]]; then
		kill -INT "$RUNNING" 2>/dev/null || true
		wait "$RUNNING" || true
	fi
	end_helper
	delete_cluster
	exit "$code"
}

end_helper() {
	if [[ -n $HELPER ]]; then
		kill "$HELPER" 2>/dev/null || true
		wait "$HELPER" 2>/dev/null || true
	fi
	HELPER=
}

delete_cluster() {
	bin/procns.test -down -engine "$ENGINE" -kind-name "$CLUSTER" -report-dir "$CHECKS/made" >/dev/null 2>&1 ||
		say "the cluster is left: bin/procns.test -down -engine $ENGINE -kind-name $CLUSTER"
}

# on_node NODE COMMAND... runs a command in a node; NODE is its name behind the cluster's. With STDIN=1
# it reads standard input.
on_node() {
	local node=$1
	shift
	"$ENGINE" exec ${STDIN:+--interactive} "$CLUSTER-$node" "$@"
}

kubectl() { on_control_plane kubectl "$@"; }

# apply and unapply create and delete the objects on standard input.
apply() { STDIN=1 kubectl apply -f - >/dev/null; }
unapply() { STDIN=1 kubectl delete --ignore-not-found -f - >/dev/null; }

# load_into_workers ARCHIVE loads images into the workers, and load_into ARCHIVE NODE... into nodes.
load_into_workers() { load_into "$1" worker worker2; }

load_into() {
	local archive=$1 node
	shift
	for node in "$@"; do
		STDIN=1 on_node "$node" ctr -n k8s.io images import - <"$archive" >/dev/null
	done
}

# lacks FILE TEXT tells whether a file does not hold a text.
lacks() { ! grep -qF -- "$2" "$1"; }

# said FILE TEXT tells whether a file holds a text, and fails COMMAND... whether a command fails.
said() { grep -qF -- "$2" "$1" 2>/dev/null; }
fails() { ! "$@"; }

# until_ready waits until the API server answers and every node is Ready.
until_ready() { retry 60 nodes_ready || die "the nodes are not Ready again"; }

nodes_ready() { kubectl wait --for=condition=Ready nodes --all --timeout=180s >/dev/null 2>&1; }

# start_run FLAGS... starts a run against the cluster in the background.
start_run() {
	RUNS=$((RUNS + 1))
	REPORTS="$CHECKS/run-$RUNS"
	mkdir -p "$REPORTS"
	# bash has background commands ignore SIGINT, which scripts could not undo; nohup has all ignore SIGHUP.
	setsid env --default-signal=INT,HUP bin/procns.test -kubeconfig "$KUBECONFIG" -report-dir "$REPORTS" "${IMAGE_FLAGS[@]}" "$@" >"$REPORTS/out" 2>&1 &
	RUNNING=$!
}

# await_run SECONDS waits for the run, and interrupts it when the time is over. It returns the run's
# exit code, or 124.
await_run() {
	local code=0 limit=$1 late
	{ sleep "$limit" && kill -INT "$RUNNING"; } 2>/dev/null & # the time that the run has
	late=$!
	wait "$RUNNING" || code=$?
	RUNNING=
	if ! kill "$late" 2>/dev/null; then
		code=124
	fi
	wait "$late" 2>/dev/null || true
	return "$code"
}

# run FLAGS... runs to the end, and returns the exit code.
run() {
	start_run "$@"
	await_run "${LIMIT:-1800}"
}

# outcomes prints the last run's results: outcome, target, case and reason, with tabs between them.
outcomes() {
	scripts/go.sh run ./e2e/cmd/outcomes "$REPORTS"/*/report.json
}

# results OUTCOME [NODE] counts results of the last run; NODE is a node's name behind the cluster's.
results() {
	outcomes | awk -F '\t' -v outcome="$1" -v target="${2:+$CLUSTER-$2}" '$1 == outcome && (target == "" || $2 == target)' | wc -l
}

# show_reasons OUTCOME prints why results are what they are, the most frequent reasons first.
show_reasons() {
	outcomes | awk -F '\t' -v outcome="$1" '$1 == outcome { print $2 ": " substr($4, 1, 300) }' |
		sed -E 's/-[0-9a-f]{8}\b/-…/g' | sort | uniq -c | sort -rn | sed -n 1,6p >&2
}

# nothing_left tells whether no run of the suite left anything on the cluster.
nothing_left() {
	local left
	left=$(kubectl get namespaces --selector procns.run --output name)
	if [[ -n $left ]]; then
		say "left: $left"
		return 1
	fi
}

# expect SUBJECT CLAIM COMMAND... counts a failure unless the command succeeds.
expect() {
	local subject=$1 claim=$2
	shift 2
	if "$@"; then
		say "$subject: $claim: yes"
	else
		say "$subject: $claim: NO (see $REPORTS)"
		FAILURES=$((FAILURES + 1))
	fi
}

conclude() {
	if ((FAILURES > 0)); then
		say "$FAILURES expectations were not met; the reports are in $CHECKS"
		exit 1
	fi
	say "every expectation was met; the reports are in $CHECKS"
}
