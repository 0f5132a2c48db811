#!/usr/bin/env bash
# Runs the suite on a node with another kernel: a virtual machine with the distribution's own kernel
# (cgroup v2, AppArmor, Yama) under qemu's emulation, which joins a kind cluster as its worker.
#
#     scripts/vm.sh                            all passes
#     YAMA=1 scripts/vm.sh                     only those with this ptrace_scope (0, 1)
#     CONFINED=0 scripts/vm.sh                 only those with containers under no profile (0), or under one (1)
#     CASES=permissions/matrix scripts/vm.sh   these cases in each pass, as for -run
#     ARGS="-require core" scripts/vm.sh       further flags for the test binary
#
# The passes are a list below. Needs root, an engine of root's, /dev/net/tun, an amd64 processor (KVM
# is not used), 4 GiB of memory and 3 GB of disk. Reads also what scripts/e2e.sh reads, but KEEP.
# Reports are in _artifacts/vm-TIME/PASS. Ends with the worst exit code of the runs: 1 before 3 before
# 2; or 3 when something could not be set up. The machine and the cluster are removed, also after an
# interrupt. docs/VM.md tells what is expected.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
# shellcheck source=scripts/vm-parts.sh
. scripts/vm-parts.sh
# shellcheck source=scripts/vm-machine.sh
. scripts/vm-machine.sh

# A node under emulation is 10 to 20 times slower than its host.
readonly PATIENCE="-case-timeout 10m -parallel 2 -starting 2 -pods 4 -timeout 5h"

# Each pass: its name, Yama's scope, whether containers are confined, and the cases. What concerns no
# security module is run once.
readonly FIRST='pid1,permissions,lifecycle/sandbox-*'
readonly CGROUP_V2='lifecycle/out-of-memory,lifecycle/resize*,lifecycle/nothing-left-on-the-node,security,signals/broadcast,reaping'
readonly PASSES=(
	"modules 0 1 $FIRST"
	"cgroup-v2 0 1 $CGROUP_V2"
	"walkthrough 0 1 walkthrough"
	"yama 1 1 $FIRST"
	"unconfined 0 0 $FIRST"
)

OUT=$ROOT/_artifacts/vm-$(date +%Y%m%d-%H%M%S)
readonly OUT
WORST=0
CONFINED_NOW=1

main() {
	local pass chosen=() kernel
	choose
	((${#chosen[@]} > 0)) || die "YAMA=${YAMA:-} CONFINED=${CONFINED:-}: no pass is left; there are scope 0 and 1 with containers confined, and scope 0 without"
	check_machine
	make_temp
	lock vm
	trap conclude EXIT
	mkdir -p "$OUT"
	require_packages qemu-system-x86 e2fsprogs iproute2 openssh-client xz-utils zstd
	use_engine
	remove_leftovers || die "what an earlier run left could not be removed, see above"
	vm_kernel_part
	kernel=$RESULT
	make_disk "$kernel"
	kind_config >"$OUT/kind-config.yaml"
	first_run
	find_bridge
	prepare_run "$kernel"
	start_machine "$kernel"
	await_ready
	step "a connection to $NODE" connect
	for pass in "${chosen[@]}"; do
		one_pass "$pass"
	done
	say "the reports are in $OUT"
	return "$WORST"
}

# choose puts those of PASSES that are asked for into chosen.
choose() {
	local pass name scope confined cases
	for name in YAMA CONFINED; do
		[[ ${!name:-} =~ ^[01]?$ ]] || die "$name=${!name}: 0 or 1"
	done
	[[ ! ${CASES:-} =~ [[:space:]] ]] || die "CASES=$CASES: patterns behind commas, without blanks"
	for pass in "${PASSES[@]}"; do
		read -r name scope confined cases <<<"$pass"
		if [[ ${YAMA:-$scope} != "$scope" || ${CONFINED:-$confined} != "$confined" ]]; then
			continue
		fi
		if [[ -n ${CASES:-} ]]; then
			# With cases of one's own, passes that differ in nothing else are one.
			case "$name" in cgroup-v2 | walkthrough) continue ;; esac
			cases=$CASES
		fi
		chosen+=("$name $scope $confined $cases")
	done
}

# check_machine says at once what would only show after a quarter of an hour.
check_machine() {
	[[ $(architecture) == amd64 ]] || die "the virtual machine is an amd64 one: $(architecture) is not supported"
	debian_like || die "the kernel and qemu are the distribution's packages: root on Debian or a kin is needed"
	[[ -c /dev/net/tun ]] || die "/dev/net/tun is missing: load the module tun (modprobe tun), or give this container the device"
}

# conclude leaves nothing behind, however the script ends: first it ends the run that is under way, then
# the machine under it, then the cluster.
# shellcheck disable=SC2317,SC2329 # called by the trap
conclude() {
	local code=$? process
	trap '' HUP INT TERM
	if [[ -n $CHILD ]]; then
		end_group
	fi
	if [[ -n $MACHINE && -f $TEMP/ssh_config ]]; then
		ssh -F "$TEMP/ssh_config" -O exit vm >/dev/null 2>&1 || true
	fi
	for process in ${CONSOLE:+-$CONSOLE} ${WATCHING:+-$WATCHING} $MACHINE; do
		kill -KILL -- "$process" 2>/dev/null || true # nothing of the machine is kept
		wait "${process#-}" 2>/dev/null || true
	done
	clean_up
	if [[ -n ${ENGINE:-} ]]; then
		remove_leftovers || code=3
	fi
	exit "$code"
}

# remove_leftovers removes what this run made, or one that was killed.
remove_leftovers() {
	"$ENGINE" rm --force "$EXPORTED" >/dev/null 2>&1 || true
	if ip link show "$TAP" >/dev/null 2>&1; then
		ip link delete "$TAP"
	fi
	if [[ -x bin/procns.test ]] &&
		! bin/procns.test -down -engine "$ENGINE" -kind-name "$CLUSTER" -report-dir "$OUT/made" >"$OUT/down.log" 2>&1; then
		tail -n 1 "$OUT/down.log" >&2
		return 1
	fi
}

# kind_config prints kind-config.yaml without its workers: the machine takes their place.
kind_config() {
	sed '/^  - role: worker$/d' kind-config.yaml
}

# make_disk KERNEL sets DISK to the machine's disk.
make_disk() {
	local name archive archives=() workloads
	NODE_IMAGE=$(scripts/node-image.sh)
	export NODE_IMAGE # the same for every run
	present "$NODE_IMAGE" || step "pull $NODE_IMAGE" "$ENGINE" pull "$NODE_IMAGE"
	workloads=$(scripts/workload-images.sh)
	while IFS=$'\t' read -r name _ archive; do
		archives+=("$name=$archive")
	done <<<"$workloads"
	vm_disk_part "$1" "$NODE_IMAGE" "${archives[@]}"
	DISK=$RESULT/disk.ext4
}

#
# The passes
#

# one_pass PASS sets the node up as the pass wants it, writes down what it is, and runs the suite on it.
# A run that is not conformant is noted, and does not end the others.
one_pass() {
	local name scope confined cases folder code=0 under=confined
	read -r name scope confined cases <<<"$1"
	folder=$OUT/$name
	mkdir -p "$folder"
	if [[ $confined == 0 ]]; then
		under=unconfined
	fi
	step "$name: Yama's scope $scope, containers $under" set_up "$scope" "$confined" "$folder/node.txt"
	CONFINED_NOW=$confined
	say "$name: $cases ($folder)"
	suite "$folder" -nodes "$LABEL" -machine "$NODE=$OUT/on-machine" -run "$cases" "$PATIENCE" "${ARGS:-}" || code=$?
	report_of "$folder" "the pass $name" "$code"
	worse "$code"
}

# set_up SCOPE CONFINED FILE makes the node what a pass wants, and fails if it is not.
set_up() {
	local scope=$1 confined=$2 file=$3 disabled=false line
	if [[ $confined == 0 ]]; then
		disabled=true
	fi
	on_machine "sysctl --write kernel.yama.ptrace_scope=$scope"
	if [[ $confined != "$CONFINED_NOW" ]]; then
		on_machine "$(disable_apparmor "$disabled")"
		retry 30 on_machine 'crictl --timeout 60s info >/dev/null'
	fi
	# shellcheck disable=SC2016 # for the shell on the machine
	on_machine 'uname --all
		echo "security modules: $(cat /sys/kernel/security/lsm)"
		echo "AppArmor: $(cat /sys/module/apparmor/parameters/enabled)"
		echo "ptrace_scope: $(cat /proc/sys/kernel/yama/ptrace_scope)"
		echo "control groups: $(stat --file-system --format %T /sys/fs/cgroup)"
		containerd config dump | sed -n "s/^ *disable_apparmor = /disable_apparmor: /p" | sort -u' >"$file"
	cat "$file"
	for line in "AppArmor: Y" "ptrace_scope: $scope" "control groups: cgroup2fs" "disable_apparmor: $disabled"; do
		grep -qxF "$line" "$file" || { echo "the node has not: $line"; return 1; }
	done
}

# disable_apparmor TRUE-OR-FALSE prints the script that tells the node's containerd whether to leave
# AppArmor alone. The section has another name in a newer form of the configuration, which containerd
# reads both of.
disable_apparmor() {
	cat <<-END
		set -e
		config=/etc/containerd/config.toml
		sed -i -E -e '/^ *disable_apparmor = /d' \
			-e '/^ *\[plugins\..?io\.containerd\.(grpc\.v1\.cri|cri\.v1\.runtime).?\]\$/a disable_apparmor = $1' \$config
		systemctl restart containerd
	END
}

main
