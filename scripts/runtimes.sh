#!/usr/bin/env bash
# Runs the suite on several container runtimes: makes a kind cluster of which one worker has crun,
# gVisor and an older runc besides its own runc, each with a RuntimeClass, runs the whole catalogue on
# each of them, writes docs/RUNTIMES.md from the report, and deletes the cluster.
#
#     scripts/runtimes.sh                      all runtimes
#     RUNTIMES=crun scripts/runtimes.sh        only these, behind commas, and the default one
#     ARGS="-run signals" scripts/runtimes.sh  further flags for the test binary
#     KEEP=1 scripts/runtimes.sh               keep the cluster, for the next run to use again
#
# With RUNTIMES or ARGS the page is written beside the report only, and that of docs/ stays. Reads also
# what scripts/e2e.sh reads. Exits with 0 if each result that is not conformant is explained in
# e2e/internal/runtimes/differences.yaml and each explanation is needed, with 1 if not, with 3 when
# something could not be set up.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
# shellcheck source=scripts/runtime-parts.sh
. scripts/runtime-parts.sh

readonly CLUSTER=procns-runtimes
readonly NODE=$CLUSTER-worker
readonly LABEL=procns/runtimes # of the node that has them
readonly KNOWN=(crun runc-old gvisor)
OUT=$ROOT/_artifacts/runtimes-$(date +%Y%m%d-%H%M%S)
readonly OUT

main() {
	local chosen runtime parts=() code=0 flags=()
	IFS=, read -ra chosen <<<"${RUNTIMES:-$(IFS=, && echo "${KNOWN[*]}")}"
	for runtime in "${chosen[@]}"; do
		[[ " ${KNOWN[*]} " == *" $runtime "* ]] || die "RUNTIMES: there is no $runtime, only ${KNOWN[*]}"
	done
	make_temp
	lock runtimes
	trap conclude EXIT
	mkdir -p "$OUT"
	for runtime in "${chosen[@]}"; do
		case "$runtime" in
		crun | gvisor)
			"${runtime}_part"
			parts+=("$runtime=$RESULT")
			;;
		esac
	done
	kind_config "${parts[@]}" >"$OUT/kind-config.yaml"
	use_engine
	first_run
	check_processes
	if [[ " ${chosen[*]} " == *" crun "* ]]; then
		step "a bus in $NODE" start_bus
	fi
	for runtime in "${chosen[@]}"; do
		has_handler "$runtime" || die "$NODE has no handler $runtime: delete a cluster that was made without it (bin/procns.test -down -kind-name $CLUSTER), and make it anew"
		runtime_class "$runtime"
	done >"$OUT/runtime-classes.yaml"
	STDIN=1 on_control_plane kubectl apply --filename - <"$OUT/runtime-classes.yaml" >/dev/null
	# shellcheck disable=SC2086 # ARGS is a list of flags
	suite "$OUT/run" -nodes sample -timeout 2h -runtime-classes "default,$(IFS=, && echo "${chosen[*]}")" ${ARGS:-} || code=$?
	report_of "$OUT/run" "the run" "$code"
	for runtime in default "${chosen[@]}"; do
		flags+=(-version "$runtime=$(version_in_node "$runtime")")
	done
	say "the reports are in $OUT"
	write_page "${flags[@]}" "$REPORT"
}

# write_page FLAG... REPORT writes the page beside the reports, and that of the repository if all of it
# was run. It fails if something is not explained, or explained and not so.
write_page() {
	local code=0 part=()
	if [[ -n ${RUNTIMES:-}${ARGS:-} ]]; then
		part=(-part)
	fi
	scripts/go.sh run ./e2e/cmd/runtimes "${part[@]}" -o "$OUT/RUNTIMES.md" -record "$OUT/found.json" "$@" || code=$?
	if ((${#part[@]} == 0 && code <= 1)); then
		cp "$OUT/found.json" e2e/internal/runtimes/testdata/found.json
		cp "$OUT/RUNTIMES.md" docs/RUNTIMES.md
	fi
	return "$code"
}

# conclude leaves nothing behind, however the script ends.
# shellcheck disable=SC2317,SC2329 # called by the trap
conclude() {
	local code=$?
	clean_up
	if [[ ${KEEP:-} != 1 && -n ${ENGINE:-} && -x bin/procns.test ]]; then
		bin/procns.test -down -engine "$ENGINE" -kind-name "$CLUSTER" -report-dir "$OUT/made" >"$OUT/down.log" 2>&1 ||
			{ tail -n 1 "$OUT/down.log" >&2; code=3; }
	fi
	exit "$code"
}

# kind_config NAME=FOLDER... prints kind-config.yaml with one worker instead of two, so that all
# runtimes are judged on the same node, and with the folders mounted into it. The handlers are in every
# node's configuration, since kind has one for all; a RuntimeClass leads pods to the node where they work.
kind_config() {
	local part
	sed '$d' kind-config.yaml # its last line is the second worker
	printf '    labels:\n      %s: ""\n' "$LABEL"
	if (($# > 0)); then
		echo '    extraMounts:'
	fi
	for part in "$@"; do
		printf '      - hostPath: %s\n        containerPath: %s/%s\n        readOnly: true\n' "${part#*=}" "$IN_NODE" "${part%%=*}"
	done
	if (($# > 0)); then
		echo 'containerdConfigPatches:'
		handlers 2 io.containerd.grpc.v1.cri "$@"
		handlers 3 io.containerd.cri.v1.runtime "$@"
	fi
}

# handlers VERSION PLUGIN NAME=FOLDER... prints the patch for one version of containerd's
# configuration: kind applies those that name the version in use.
handlers() {
	local version=$1 plugin=$2 name part
	shift 2
	printf '  - |\n    version = %s\n' "$version"
	for part in "$@"; do
		name=${part%%=*}
		"handler_of_$name" "plugins.\"$plugin\".containerd.runtimes.$name"
	done | sed 's/^/    /'
}

handler_of_crun() {
	cat <<-END
		[$1]
		runtime_type = "io.containerd.runc.v2"
		base_runtime_spec = "/etc/containerd/cri-base.json"
		[$1.options]
		SystemdCgroup = true
		BinaryName = "$IN_NODE/crun/crun"
	END
}

handler_of_gvisor() {
	cat <<-END
		[$1]
		runtime_type = "io.containerd.runsc.v1"
		runtime_path = "$IN_NODE/gvisor/containerd-shim-runsc-v1"
		base_runtime_spec = "/etc/containerd/cri-base.json"
		[$1.options]
		TypeUrl = "io.containerd.runsc.v1.options"
		ConfigPath = "$IN_NODE/gvisor/runsc.toml"
	END
}

# runtime_class NAME prints a RuntimeClass for pods on the node that has the runtime.
runtime_class() {
	cat <<-END
		---
		apiVersion: node.k8s.io/v1
		kind: RuntimeClass
		metadata:
		  name: $1
		handler: $1
		scheduling:
		  nodeSelector:
		    $LABEL: ""
	END
}

# has_handler tells whether the node's runtime knows a handler. runc-old is in node images that are
# built here, and not in kind's own.
has_handler() {
	on_control_plane kubectl get "node/$NODE" --output 'jsonpath={range .status.runtimeHandlers[*]}{.name}{"\n"}{end}' | grep -xF "$1" >/dev/null
}

# check_processes says so if the engine lets a node have so few processes that pods will not start: a
# pod of gVisor's has about 80 threads, and several runtimes have their pods on the node at one time.
check_processes() {
	local limit
	limit=$("$ENGINE" inspect --format '{{.HostConfig.PidsLimit}}' "$NODE" 2>/dev/null || true)
	if [[ $limit =~ ^[0-9]+$ ]] && ((limit > 0 && limit < 16384)); then
		say "$ENGINE lets $NODE have $limit processes, which may be too few: raise its default (pids_limit in podman's containers.conf)"
	fi
}

# start_bus starts the bus that crun finds systemd at, where the node has none. systemd takes part in
# it as soon as units of these names run.
start_bus() {
	"$ENGINE" exec "$NODE" sh -c "test -S /run/dbus/system_bus_socket || {
		cp $IN_NODE/crun/dbus.service $IN_NODE/crun/dbus.socket /etc/systemd/system/ &&
		systemctl daemon-reload && systemctl enable dbus.service && systemctl start dbus.socket dbus.service; }"
}

# version_in_node RUNTIME prints what a runtime says of itself, in one line.
version_in_node() {
	local program=runc
	case "$1" in
	runc-old) program=/usr/sbin/runc ;;
	crun) program=$IN_NODE/crun/crun ;;
	gvisor) program=$IN_NODE/gvisor/runsc ;;
	esac
	"$ENGINE" exec "$NODE" "$program" --version | sed -n '1s/ version / /p'
}

main
