#!/usr/bin/env bash
# Upgrades a kind cluster as an operator does, and says whether shared pods still behave:
#
#     FROM=v1.36.3 TO=v1.37.2 scripts/upgrade.sh
#
# makes a cluster at FROM, runs the suite there and leaves witnesses (-phase before); upgrades it in
# place, node by node, with TO's own kubeadm, kubelet and control-plane images; and runs the suite
# again, which judges the witnesses and compares with the first run (-phase after -baseline). With
# the control plane and one worker at TO and the other worker still at FROM, it runs once more. All
# of it is done twice: undrained, so that the witnesses live through it, and drained.
#
#     MODES=drained     only this way (undrained, drained)
#     ARGS="…"          further flags of every run, such as ARGS="-run signals,pid1"
#     HOOK=COMMAND      is run after each worker's upgrade, as COMMAND ENGINE NODE: a TO that is
#                       broken on one node is made with it
#
# Both node images come from scripts/node-image.sh, built or pulled. Reports and comparisons are in
# _artifacts/upgrade-TIME/MODE/{before,skew,after}. Ends with the worst exit code of the later runs:
# 1 before 3 before 2. The clusters are deleted, also after an interrupt.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

readonly CLUSTER=procns-upgrade
readonly SOURCE=$CLUSTER-to # the container that TO's binaries and images are taken from
OUT=_artifacts/upgrade-$(date +%Y%m%d-%H%M%S)
readonly OUT
WORST=0

main() {
	check_versions "${FROM:-}" "${TO:-}"
	unset NODE_IMAGE # it would be both
	use_engine
	make_temp
	trap conclude EXIT
	lock upgrade
	mkdir -p "$OUT"
	local mode to_image
	K8S_VERSION=$FROM scripts/node-image.sh >/dev/null
	to_image=$(K8S_VERSION=$TO scripts/node-image.sh)
	delete_cluster # of a run that was killed
	step "binaries and images of $TO" take_from "$to_image"
	for mode in ${MODES:-undrained drained}; do
		case "$mode" in
		undrained | drained) upgrade_once "$mode" ;;
		*) die "MODES=$MODES: $mode is neither undrained nor drained" ;;
		esac
	done
	say "the reports are in $OUT"
	return "$WORST"
}

# check_versions demands two versions that kubeadm upgrades between: the same minor, or the next.
check_versions() {
	local version='^v1\.([0-9]+)\.([0-9]+)$' from_minor from_patch
	[[ $1 =~ $version ]] || die "FROM=$1: want a version such as FROM=v1.36.3"
	from_minor=${BASH_REMATCH[1]} from_patch=${BASH_REMATCH[2]}
	[[ $2 =~ $version ]] || die "TO=$2: want a version such as TO=v1.37.2"
	((BASH_REMATCH[1] == from_minor + 1 || (BASH_REMATCH[1] == from_minor && BASH_REMATCH[2] > from_patch))) ||
		die "FROM=$1 TO=$2: kubeadm upgrades to a later patch, or to the next minor version"
}

# conclude leaves nothing behind, however the script ends.
# shellcheck disable=SC2317,SC2329 # called by the trap
conclude() {
	local code=$?
	clean_up
	"$ENGINE" rm --force --volumes "$SOURCE" >/dev/null 2>&1 || true
	delete_cluster
	exit "$code"
}

delete_cluster() {
	if [[ ! -x bin/procns.test ]]; then
		return # nothing was made yet
	fi
	if ! bin/procns.test -down -engine "$ENGINE" -kind-name "$CLUSTER" -report-dir "$OUT" >"$OUT/down.log" 2>&1; then
		tail -n 1 "$OUT/down.log" >&2
	fi
}

#
# What TO consists of
#

# take_from IMAGE takes TO's programs and images out of its node image, into TEMP: a registry is not
# needed. containerd runs in a container of that image, on the store that it came with.
take_from() {
	local image=$1 script
	"$ENGINE" rm --force --volumes "$SOURCE" >/dev/null 2>&1 || true
	"$ENGINE" run --detach --privileged --name "$SOURCE" --entrypoint sleep "$image" infinity
	"$ENGINE" exec "$SOURCE" tar --create --directory /usr/bin kubeadm kubelet kubectl >"$TEMP/programs.tar"
	# A tenth of a second: containerd needs a few of them to open its socket, and a minute at most.
	# shellcheck disable=SC2016 # for the shell in the container
	script='
		set -eu
		containerd >/tmp/containerd.log 2>&1 &
		for i in $(seq 600); do
			if ctr version >/dev/null 2>&1; then
				exec ctr --namespace k8s.io images export --local - $(kubeadm config images list --kubernetes-version "$1")
			fi
			sleep 0.1
		done
		cat /tmp/containerd.log >&2
		exit 1'
	"$ENGINE" exec "$SOURCE" sh -c "$script" export "$TO" >"$TEMP/images.tar"
	"$ENGINE" rm --force --volumes "$SOURCE"
	mkdir "$TEMP/programs"
	tar --extract --directory "$TEMP/programs" --file "$TEMP/programs.tar"
}

#
# One upgrade
#

upgrade_once() {
	local mode=$1 nodes node upgraded=0 baseline
	run "$mode" before -phase before
	baseline=$REPORT
	mapfile -t nodes < <(workers)
	((${#nodes[@]} > 1)) || die "the cluster has ${#nodes[@]} workers: skew needs two"
	for node in "$CLUSTER-control-plane" "${nodes[@]}"; do
		step "$mode: images of $TO into $node" load_images "$node"
	done
	step "$mode: $CLUSTER-control-plane to $TO" upgrade_node "$mode" "$CLUSTER-control-plane"
	for node in "${nodes[@]}"; do
		step "$mode: $node to $TO" upgrade_node "$mode" "$node"
		if [[ -n ${HOOK:-} ]]; then
			# shellcheck disable=SC2086 # a command with its arguments
			step "$mode: hook on $node" $HOOK "$ENGINE" "$node"
		fi
		if ((upgraded++ == 0)) && [[ $mode == undrained ]]; then
			run "$mode" skew -baseline "$baseline"
		fi
	done
	run "$mode" after -phase after -baseline "$baseline"
	bin/procns.test -compare "$baseline" "$REPORT" -o markdown >"$OUT/$mode/comparison.md" || true
	delete_cluster
}

# run MODE NAME FLAG... runs the suite on the cluster, and sets REPORT to its report.json. The first
# run makes the cluster. A run that is not conformant is noted, and does not end the upgrade.
run() {
	local mode=$1 name=$2 code=0 folder="$OUT/$1/$2"
	shift 2
	say "$mode: the suite, $name ($folder)"
	KEEP=1 K8S_VERSION=$FROM ARGS="-kind-name $CLUSTER -report-dir $folder $* ${ARGS:-}" in_group scripts/e2e.sh </dev/null || code=$?
	report_of "$folder" "the run $name" "$code"
	if [[ $name == before ]]; then
		# What was wrong before is in the baseline. Without witnesses there is nothing to go on with.
		grep -q '"phase": "before"' "$REPORT" || die "the run before the upgrade left no witnesses (exit code $code)"
		return
	fi
	worse "$code"
}

workers() {
	on_control_plane kubectl get nodes --selector '!node-role.kubernetes.io/control-plane' \
		--output jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}'
}

load_images() {
	"$ENGINE" exec --interactive "$1" ctr --namespace k8s.io images import --local --no-unpack --all-platforms \
		--label io.cri-containerd.pinned=pinned - <"$TEMP/images.tar"
}

# upgrade_node MODE NODE follows the documentation's page on kubeadm upgrades. The new kubelet of the
# control plane starts the API server anew, some seconds after it has said that it is there: what asks
# that server is asked again while it starts.
upgrade_node() {
	local mode=$1 node=$2 patiently=(retry 60)
	set -x
	place "$node" kubeadm
	# kubeadm's look at the kernel and the cgroups is at those of the host, as in kind's own set-up.
	if [[ $node == "$CLUSTER-control-plane" ]]; then
		"$ENGINE" exec "$node" kubeadm upgrade apply --yes --ignore-preflight-errors=SystemVerification "$TO"
	else
		"${patiently[@]}" "$ENGINE" exec "$node" kubeadm upgrade node --ignore-preflight-errors=SystemVerification
	fi
	if [[ $mode == drained ]]; then
		# --force: nobody makes the bare pods of the witnesses anew.
		"${patiently[@]}" on_control_plane kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --force --timeout 5m
	fi
	place "$node" kubelet
	place "$node" kubectl
	"$ENGINE" exec "$node" systemctl daemon-reload
	"$ENGINE" exec "$node" systemctl restart kubelet
	# The version tells that it is the new kubelet that reports.
	"${patiently[@]}" on_control_plane kubectl wait "node/$node" --for "jsonpath={.status.nodeInfo.kubeletVersion}=$TO" --timeout 5m
	"${patiently[@]}" on_control_plane kubectl wait "node/$node" --for condition=Ready --timeout 5m
	if [[ $mode == drained ]]; then
		"${patiently[@]}" on_control_plane kubectl uncordon "$node"
	fi
}

# place NODE PROGRAM puts one of TO's programs in the place of FROM's, at once: the old one may run.
place() {
	# shellcheck disable=SC2016 # for the shell in the node
	"$ENGINE" exec --interactive "$1" sh -c 'cat >"$1.new" && chmod 755 "$1.new" && mv "$1.new" "$1"' place "/usr/bin/$2" <"$TEMP/programs/$2"
}

main
