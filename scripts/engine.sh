#!/usr/bin/env bash
# Picks the container engine and prints what to set for it, to be evaluated by the caller:
#
#     eval "$(scripts/engine.sh)"
#
# docker if it can start a privileged container, else podman, else nerdctl; PROCNS_ENGINE=podman
# asks for one of them. What the engine needs on this host (rlimits, cgroups, OCI runtime) goes
# into a generated file which only CONTAINERS_CONF names: the host's configuration stays as it is.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly CONF="$CACHE/containers.conf"

# podman asks for this many open files and processes per container, unless it is configured.
readonly PODMAN_DEFAULT_LIMIT=1048576

readonly NONE_WORKS="no container engine works here"
REASONS=() # why each engine that was tried is not the one

# probe_image makes the image that the engines are tried with and sets PROBE to its archive.
probe_image() {
	local hash
	hash="$(hash_of "$IMAGES/probe" "$(go version)")"
	PROBE_REFERENCE="localhost/procns/probe:$hash"
	cached probe "$hash" "probe for container engines" make_probe
	PROBE="$RESULT/image.tar"
}

make_probe() {
	mkdir root
	(cd root && go_build "$IMAGES/probe" -ldflags '-s -w' .)
	pack root "${OURS[@]}" >layer.tar
	image_archive image.tar "$PROBE_REFERENCE" '{"Entrypoint":["/probe"],"Labels":{"procns":"cache"}}' layer.tar
	rm -r root layer.tar
}

# works ENGINE tells whether the engine can do what a cluster needs of it; if not, it notes why.
works() {
	local engine="$1" errors="$TEMP/$1.errors"
	if ! have "$engine"; then
		REASONS+=("$engine: not installed")
		return 1
	fi
	if answers "$engine" 2>"$errors" && starts_privileged "$engine" 2>"$errors"; then
		return 0
	fi
	REASONS+=("$engine: $(reason "$errors")")
	return 1
}

# answers asks for the server's version: docker's client alone answers `docker info` as well.
# The time limit is for a daemon whose socket is there but dead.
answers() {
	case "$1" in
	podman) timeout 60 podman info >/dev/null ;;
	*) timeout 60 "$1" version --format '{{.Server}}' >/dev/null ;;
	esac
}

starts_privileged() {
	if ! "$1" image inspect "$PROBE_REFERENCE" >/dev/null 2>&1; then
		timeout 60 "$1" load --input "$PROBE" >/dev/null || return 1
	fi
	local name="procns-build-probe-$$" code=0
	timeout 60 "$1" run --rm --privileged --name "$name" "$PROBE_REFERENCE" >/dev/null || code=$?
	if ((code != 0)); then
		"$1" rm --force "$name" >/dev/null 2>&1 || true
	fi
	return "$code"
}

# reason prints the last line of an error output, which is the one that tells (docker adds a hint
# to its help), short enough to read.
reason() {
	local line
	line="$(grep -v -e '^[[:space:]]*$' -e '--help' "$1" | tail -n 1 | cut -c1-300)"
	printf '%s\n' "${line:-no answer in time}"
}

# configure_podman writes the settings that this host needs and exports CONTAINERS_CONF, or does
# nothing where podman's own defaults will do. Someone who sets CONTAINERS_CONF knows better.
configure_podman() {
	local containers='' engine=''
	if ! have podman || [[ -n ${CONTAINERS_CONF:-} && $CONTAINERS_CONF != "$CONF" ]]; then
		return
	fi
	unset CONTAINERS_CONF
	containers="$(mend_limits)"
	engine="$(mend_runtime)$(mend_without_systemd)"
	if [[ -z $containers$engine ]]; then
		rm -f "$CONF"
		return
	fi
	# podman's own limit is 2048 processes and threads, and all pods of a node are one of its containers.
	containers+='pids_limit = 0\n'
	printf '# Written by scripts/engine.sh for this host.\n[containers]\n%b[engine]\n%b' "$containers" "$engine" >"$CONF.$$"
	mv "$CONF.$$" "$CONF"
	export CONTAINERS_CONF="$CONF"
}

# mend_limits: without CAP_SYS_RESOURCE nobody can raise a hard limit, not even for a container.
mend_limits() {
	local files processes
	files="$(ulimit -Hn)"
	processes="$(ulimit -Hu)"
	if has_capability 24 || { at_least "$files" "$PODMAN_DEFAULT_LIMIT" && at_least "$processes" "$PODMAN_DEFAULT_LIMIT"; }; then
		return
	fi
	say "podman: default_ulimits, because the hard limits ($files files, $processes processes) cannot be raised here"
	# podman lowers its own limit of processes to 32768, and cannot hand out more than it has.
	printf 'default_ulimits = ["nofile=%s:%s", "nproc=%s:%s"]\\n' \
		"$(lowest "$files" "$PODMAN_DEFAULT_LIMIT")" "$(lowest "$files" "$PODMAN_DEFAULT_LIMIT")" \
		"$(lowest "$processes" 32768)" "$(lowest "$processes" 32768)"
}

# mend_runtime: crun refuses a hierarchy in which cgroup v1 and v2 are mixed.
mend_runtime() {
	if [[ ! -d /sys/fs/cgroup/unified ]] || ! have runc ||
		[[ $(podman info --format '{{.Host.OCIRuntime.Name}}' 2>/dev/null) == runc ]]; then
		return
	fi
	say "podman: runtime=runc, because the cgroups are in hybrid mode, which crun refuses"
	printf 'runtime = "runc"\\n'
}

# mend_without_systemd: podman's defaults talk to systemd and to its journal.
mend_without_systemd() {
	if [[ -d /run/systemd/system ]]; then
		return
	fi
	say "podman: cgroup_manager=cgroupfs and events_logger=file, because systemd does not run here"
	printf 'cgroup_manager = "cgroupfs"\\nevents_logger = "file"\\n'
}

# mend_modules: kind mounts /lib/modules into every node, and the engines do not create it.
mend_modules() {
	if [[ -d /lib/modules || $(uname -s) != Linux || $(id -u) != 0 ]]; then
		return
	fi
	say "creating an empty /lib/modules, because kind mounts it into every node"
	mkdir -p /lib/modules
}

has_capability() {
	local effective
	effective="$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status 2>/dev/null)"
	[[ -n $effective ]] && (((16#$effective >> $1) & 1))
}

at_least() {
	[[ $1 == unlimited ]] || (($1 >= $2))
}

lowest() {
	if at_least "$1" "$2"; then echo "$2"; else echo "$1"; fi
}

# install fetches podman from the distribution. Only Debian and its kin, only as root.
install() {
	debian_like || die "$NONE_WORKS: ${REASONS[*]/%/;} install docker, or podman with runc, netavark and aardvark-dns"
	say "$NONE_WORKS: ${REASONS[*]/%/;}"
	say "installing podman and what it needs from the distribution's packages"
	step "apt-get update" apt-get update
	step "apt-get install podman" install_packages
}

install_packages() {
	local packages=(podman conmon runc catatonit iptables) package
	# Older releases have podman with CNI plugins instead of netavark.
	for package in netavark aardvark-dns; do
		if apt-cache show "$package" >/dev/null 2>&1; then
			packages+=("$package")
		fi
	done
	apt_install "${packages[@]}"
}

# choose sets ENGINE to the first engine that works.
choose() {
	local engine
	for engine in "$@"; do
		if [[ $engine == podman ]]; then
			configure_podman
		fi
		if works "$engine"; then
			ENGINE="$engine"
			return
		fi
	done
}

announce() {
	local text="engine: $ENGINE" reason
	for reason in "${REASONS[@]}"; do
		text+=" (passed over $reason)"
	done
	say "$text"
}

print_assignments() {
	printf 'ENGINE=%q\n' "$ENGINE"
	printf 'KIND_EXPERIMENTAL_PROVIDER=%q\n' "$ENGINE"
	if [[ $ENGINE == podman && -n ${CONTAINERS_CONF:-} ]]; then
		printf 'CONTAINERS_CONF=%q\n' "$CONTAINERS_CONF"
	fi
}

main() {
	local wanted=(docker podman nerdctl)
	case "${PROCNS_ENGINE:-}" in
	'') ;;
	docker | podman | nerdctl) wanted=("$PROCNS_ENGINE") ;;
	*) die "PROCNS_ENGINE=$PROCNS_ENGINE is none of docker, podman, nerdctl" ;;
	esac
	have go || die "go is not on the PATH: install Go"
	make_temp
	lock engine
	ENGINE=
	probe_image
	mend_modules
	choose "${wanted[@]}"
	if [[ -z $ENGINE && ${PROCNS_ENGINE:-podman} == podman ]]; then
		install
		REASONS=()
		choose "${wanted[@]}"
	fi
	[[ -n $ENGINE ]] || die "$NONE_WORKS: ${REASONS[*]/%/;} mend it, or install another"
	announce
	print_assignments
}

main "$@"
