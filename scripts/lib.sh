# shellcheck shell=bash
# Helpers shared by the scripts of this folder. Source it, do not run it.

set -euo pipefail
shopt -s inherit_errexit # a failure inside $(…) is a failure
umask 022                # what is built here ends in images

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="${PROCNS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/procns}"
IMAGES="$ROOT/fixtures/images"
TEMP=  # see make_temp
CHILD= # see in_group
LOCK=  # see lock
export ROOT CACHE IMAGES

# Options of pack for files of our own: whoever checked them out, in an image they are root's.
# shellcheck disable=SC2034 # for those who source this
readonly OURS=(--owner=0 --group=0 --mode=go-w)

# die says what is wrong and what to do about it, and ends with the exit code of set-up failures.
die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 3
}

if [[ $CACHE == *[[:space:]]* ]]; then
	die "the cache folder '$CACHE' has a space in its name, which debootstrap cannot cope with: set PROCNS_CACHE to another"
fi
mkdir -p "$CACHE/logs" "$CACHE/temp"
CACHE="$(cd "$CACHE" && pwd)" # what is printed must hold in other folders too

# say prints one line for the person who waits. Standard output belongs to the results.
say() {
	printf '==> %s\n' "$*" >&2
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# step TEXT COMMAND... runs the command with its output in a log file and says how long it took.
# On a terminal the line that announced the step is rewritten, elsewhere a second line follows.
# Do not call it behind `if`, `!`, `&&` or `||`: bash switches `set -e` off for all that runs there.
# Nor in another step: an interruption would end the outer one only.
step() {
	local text="$1" log begin=$SECONDS code
	shift
	log="$CACHE/logs/$(tr -cs 'A-Za-z0-9.\n' '-' <<<"$text").log"
	if [[ -t 2 ]]; then
		printf '==> %s … ' "$text" >&2
	else
		printf '==> %s …\n' "$text" >&2
	fi
	set +e
	in_group "$@" >"$log" 2>&1 </dev/null
	code=$?
	set -e
	if ((code != 0)); then
		step_failed "$text" "$log" "$code" $((SECONDS - begin))
	fi
	if [[ -t 2 ]]; then
		printf '\r' >&2
	fi
	printf '==> %s … %ds\n' "$text" $((SECONDS - begin)) >&2
}

# in_group runs a command in a process group of its own and waits for it, so that an interruption
# is noticed at once (bash handles signals while it is in `wait`, but not before the end of a
# command in the foreground) and can end the command with everything that it started.
in_group() {
	local code=0
	set -m
	(
		set -e
		# A process that outlives its step must not keep the lock.
		if [[ -n $LOCK ]]; then
			exec {LOCK}>&-
		fi
		"$@"
	) &
	CHILD=$!
	set +m
	wait "$CHILD" || code=$?
	end_group
	return "$code"
}

# end_group ends what is left of the group: normally nothing, after a failure perhaps a daemon, and
# all of it after an interruption. It returns when nothing of it can write anywhere any more.
end_group() {
	local group="$CHILD" i
	CHILD=
	for i in TERM KILL; do
		kill "-$i" -- "-$group" 2>/dev/null || return 0
		if group_ends "$group"; then
			return 0 # in a trap, a bare return has the status from before it
		fi
	done
}

# group_ends waits for the last process of a group, up to five seconds of real time: the time that
# a program has to tidy up after itself.
group_ends() {
	local i
	for ((i = 0; i < 50; i++)); do
		kill -0 -- "-$1" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

step_failed() {
	local text="$1" log="$2" code="$3" seconds="$4"
	printf '\n' >&2
	tail -n 20 "$log" | sed 's/^/    /' >&2
	die "$text failed after ${seconds}s (exit status $code); the whole log is in $log"
}

# make_temp sets TEMP to a new folder that vanishes with the script, however that ends. A script
# that was killed outright could not tidy up: the next one does, by the process number in the name.
make_temp() {
	local folder owner
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	for folder in "$CACHE"/temp/*; do
		owner="${folder##*/}"
		if [[ -d $folder && ! -d /proc/${owner%%.*} ]]; then
			rm -rf --one-file-system "$folder"
		fi
	done
	TEMP="$(mktemp -d "$CACHE/temp/$$.XXXXXX")"
}

clean_up() {
	trap '' HUP INT TERM
	if [[ -n $CHILD ]]; then
		end_group
	fi
	if [[ -n $TEMP ]]; then
		rm -rf --one-file-system "$TEMP"
	fi
}

# lock NAME waits until no other process holds the lock of that name, and holds it until this
# script ends. The kernel releases it, even if the script is killed.
lock() {
	exec {LOCK}>"$CACHE/$1.lock"
	if ! flock --nonblock "$LOCK"; then
		say "another run is at work on $1: waiting for it"
		flock "$LOCK"
	fi
}

# retry ATTEMPTS COMMAND... is for what cannot be watched: an API server that starts.
retry() {
	local left=$1
	shift
	until "$@"; do
		((--left > 0)) || return 1
		sleep 2 # between two attempts to reach it
	done
}

# build_sabotaged_runtime makes bin/sabotaged-runtime. It runs in nodes, whose libraries are none of ours.
build_sabotaged_runtime() {
	GOOS=linux scripts/go.sh build -ldflags '-s -w' -o bin/sabotaged-runtime ./e2e/cmd/sabotaged-runtime
}

# hash_of prints a short content hash of its arguments: a file counts by its content, a folder by
# the names and contents of its files and whether they can be run, anything else as the text it is.
hash_of() {
	local item
	for item in "$@"; do
		if [[ -d $item ]]; then
			(
				cd "$item"
				find . -type f \( -perm -u+x -printf '%P x\n' -o -printf '%P\n' \) | LC_ALL=C sort
				find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum
			)
		elif [[ -f $item ]]; then
			sha256sum <"$item"
		else
			printf '%s\n' "$item"
		fi
	done | sha256sum | cut -c1-12
}

# cached NAME HASH TEXT COMMAND... sets RESULT to the folder $CACHE/NAME-HASH. If there is none,
# the command makes it: it runs in an empty folder, which gets its name when the command is done,
# so what an interrupted run leaves is never taken for a result.
cached() {
	local name="$1" hash="$2" text="$3" folder
	shift 3
	RESULT="$CACHE/$name-$hash"
	if [[ -d $RESULT ]]; then
		return
	fi
	folder="$(mktemp -d "$TEMP/cached.XXXXXX")"
	chmod 755 "$folder"
	mkdir -p "$(dirname "$RESULT")"
	cd "$folder"
	step "$text" "$@"
	cd "$ROOT"
	mv -T "$folder" "$RESULT"
}

# go_build MODULE_FOLDER ARGUMENTS... builds the packages that a module names as tools, into the
# current folder, in the way of scripts/go.sh. The user's own Go settings must not change the result:
# no workspace, no other flags, and go.mod and go.sum as they are committed.
go_build() {
	local module="$1" out="$PWD/"
	shift
	(
		cd "$module"
		GOOS=linux GOWORK=off GOFLAGS=-mod=readonly "$ROOT/scripts/go.sh" build -o "$out" "$@"
	)
}

# image_archive ARCHIVE REFERENCE CONFIG LAYER... writes an image in the form of `docker save`,
# which docker, podman, nerdctl and containerd all load. CONFIG is the "config" member of the image
# configuration (JSON); each layer is a tar file, plain, or gzipped if its name ends in .gz.
# An image made by hand needs no running engine and no build container that could be left behind.
image_archive() {
	local archive="$1" reference="$2" config="$3" work layer names='' diffs='' digest
	shift 3
	work="$(mktemp -d "$TEMP/image.XXXXXX")"
	for layer in "$@"; do
		digest="$(plain "$layer" | sha256sum | cut -d' ' -f1)"
		ln -s "$(realpath "$layer")" "$work/$digest.tar"
		diffs+="${diffs:+,}\"sha256:$digest\""
		names+="${names:+,}\"$digest.tar\""
	done
	printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":%s,"rootfs":{"type":"layers","diff_ids":[%s]}}' \
		"$(architecture)" "$config" "$diffs" >"$work/config.json"
	digest="$(sha256sum <"$work/config.json" | cut -d' ' -f1)"
	mv "$work/config.json" "$work/$digest.json"
	printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":[%s]}]' "$digest" "$reference" "$names" >"$work/manifest.json"
	pack "$work" --dereference >"$archive"
	rm -rf "$work"
}

# plain prints a tar file without its compression.
plain() {
	case "$1" in
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# pack FOLDER OPTIONS... prints a tar of the folder that depends on nothing but its content.
pack() {
	local folder="$1"
	shift
	tar --create --directory "$folder" --sort=name --mtime=@0 --numeric-owner --xattrs --format=posix \
		--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime "$@" .
}

# architecture prints the processor architecture as Go and container images name it.
architecture() {
	go env GOARCH
}

# worse CODE keeps the worst code in WORST, which the caller sets to 0 at first: what is wrong outweighs a failed set-up, and that what is unclear.
worse() {
	local order=(0 2 3 1) i have=0 new=3
	for i in "${!order[@]}"; do
		if ((order[i] == WORST)); then have=$i; fi
		if ((order[i] == $1)); then new=$i; fi
	done
	if ((new > have)); then
		WORST=$1
	fi
}

# use_engine sets ENGINE and what belongs to it, unless the caller has done it before.
use_engine() {
	# Both: ENGINE alone may be somebody else's variable.
	if [[ -n ${ENGINE:-} && ${KIND_EXPERIMENTAL_PROVIDER:-} == "$ENGINE" ]]; then
		return
	fi
	local assignments
	assignments="$("$ROOT/scripts/engine.sh")"
	eval "$assignments"
	export ENGINE KIND_EXPERIMENTAL_PROVIDER
	if [[ -n ${CONTAINERS_CONF:-} ]]; then
		export CONTAINERS_CONF
	fi
}

# debian_like tells whether this machine can install and unpack the distribution's packages.
debian_like() {
	have apt-get && grep -Eqs '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release && [[ $(id -u) == 0 ]]
}

# require_packages installs what is missing of the named packages of the distribution.
require_packages() {
	local package missing=()
	for package in "$@"; do
		if [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
			missing+=("$package")
		fi
	done
	if ((${#missing[@]} == 0)); then
		return
	fi
	debian_like || die "${missing[*]}: not installed, and only root on Debian or a kin can have it installed from here"
	step "apt-get update" apt-get update
	step "apt-get install ${missing[*]}" apt_install "${missing[@]}"
}

# apt_install asks nothing, and waits a while for someone else's installation to end.
apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get --option DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
}

# distribution prints the release of the distribution's own packages, like "debian bookworm".
distribution() {
	(
		if [[ -r /etc/os-release ]]; then
			. /etc/os-release
		fi
		printf '%s %s\n' "${ID:-unknown}" "${VERSION_CODENAME:-unknown}"
	)
}

# source_of_packages prints where this machine gets the packages of its own release from: the
# address, the list of sources that says so, and the components. Third parties have other origins.
source_of_packages() {
	local id codename
	read -r id codename <<<"$(distribution)"
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)' 'Created-By: Packages' |
		awk -v id="$id" -v codename="$codename" '
			tolower($1) == id && $2 == codename && (!address || $4 == address) {
				address = $4; list = $5; sub(/:[0-9]+$/, "", list)
				components = components (components ? "," : "") $3
			}
			address { found = address " " list " " components }
			END { if (found) print found }'
}

# key_of LIST prints the keyring that a list of sources names, if it names one.
key_of() {
	grep -iohE 'signed-by[:=] *(/[^] ]+\.gpg)' "$1" | grep -o '/.*' | head -n 1 || true
}

# debian_root FOLDER PACKAGE... makes a root of this machine's own distribution with the packages,
# from the same address, with the same key and through the same proxy as apt. Mounts that debootstrap
# needs are made where nobody else sees them, and are gone with it.
debian_root() {
	local root="$1" codename packages address list components key proxy='' options=()
	shift
	fetch_lists
	read -r _ codename <<<"$(distribution)"
	read -r address list components <<<"$(source_of_packages)"
	packages="$(IFS=, && echo "$*")"
	key="$(key_of "$list")"
	if [[ -n $key ]]; then
		options+=(--keyring="$key")
	fi
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	http_proxy="${proxy:-${http_proxy:-}}" unshare --mount --propagation private \
		debootstrap --variant=minbase --merged-usr --components="$components" "${options[@]}" \
		--include="$packages" "$codename" "$root" "$address"
	# debootstrap copies these two from this machine.
	rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
	slim "$root"
}

# fetch_lists fetches apt's lists of packages if they are missing, as in a fresh container.
fetch_lists() {
	if [[ -z $(source_of_packages) ]]; then
		apt-get update
	fi
	if [[ -z $(source_of_packages) ]]; then
		echo "apt has no source of packages for $(distribution)" >&2
		return 1
	fi
}

# slim removes what nobody reads in a container. The copyright files stay.
slim() {
	local root="$1"
	find "$root/usr/share/doc" -mindepth 2 ! -name copyright ! -type d -delete
	find "$root/usr/share/doc" -type d -empty -delete
	rm -rf "$root"/usr/share/{man,info,locale,lintian,bash-completion,zoneinfo} \
		"$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/cache/debconf/*-old "$root"/var/log/*.log "$root"/var/log/apt/*
}

# present tells whether the engine has an image.
present() {
	"$ENGINE" image inspect "$1" >/dev/null 2>&1
}

# by_digest drops the tag of a reference that has a digest too: not all engines accept both, and
# the digest is what counts.
by_digest() {
	sed 's/:[^:@/]*@/@/' <<<"$1"
}

# reachable asks the registry of an image for its manifest, and takes no answer in ten seconds for
# no. The engine asks, so that its mirrors and proxies count.
reachable() {
	timeout 10 "$ENGINE" manifest inspect "$1" >/dev/null 2>&1
}

# pause_part builds our own pause, and sets RESULT to the folder with the program.
pause_part() {
	local hash
	hash="$(hash_of "$IMAGES/pause" "$(architecture)" "$(declare -f build_pause)")"
	if [[ ! -d $CACHE/pause-$hash ]]; then
		require_packages gcc libc6-dev
	fi
	cached pause "$hash" pause build_pause
}

build_pause() {
	gcc -static -Os -Wall -Wextra -Werror -s -o pause "$IMAGES/pause/pause.c"
}

# deb_root FOLDER PACKAGE... unpacks the packages and what they need to run into a root, with apt's
# own answer to what that is. No maintainer script runs: enough for a program in a container, and
# a tenth of the time and size of a system.
deb_root() {
	local root="$1" package debs
	shift
	fetch_lists
	debs="$(mktemp -d "$TEMP/debs.XXXXXX")"
	# Lists that are too old name packages that are gone.
	download_with_dependencies "$debs" "$@" || {
		apt-get update
		download_with_dependencies "$debs" "$@"
	}
	mkdir -p "$root"/{dev,etc,proc,root,run,sys,tmp,usr/{bin,sbin,lib,lib64},var}
	chmod 1777 "$root/tmp"
	for package in bin sbin lib lib64; do
		ln -s "usr/$package" "$root/$package"
	done
	ln -s ../run "$root/var/run"
	for package in "$debs"/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar --extract --keep-directory-symlink --directory "$root"
	done
	rm -rf "$debs" "$root"/usr/lib/*/gconv # tables of old character sets
	slim "$root"
}

# download_with_dependencies FOLDER PACKAGE... asks apt what it would install where nothing is.
download_with_dependencies() {
	local folder="$1" package packages=()
	shift
	for package in $(apt-get --option Dir::State::status=/dev/null --no-install-recommends --simulate install "$@" |
		awk '$1 == "Inst" { print $2 }'); do
		packages+=("$package")
	done
	# As root, because apt's own user cannot write in the cache.
	((${#packages[@]} > 0)) && (cd "$folder" && apt-get --option APT::Sandbox::User=root download "${packages[@]}")
}

# on_control_plane COMMAND... runs a command where the cluster's administrator is. With STDIN=1 it reads
# standard input.
on_control_plane() {
	"$ENGINE" exec ${STDIN:+--interactive} --env KUBECONFIG=/etc/kubernetes/admin.conf "$CLUSTER-control-plane" "$@"
}
