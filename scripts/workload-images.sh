#!/usr/bin/env bash
# Provides the images that the fixtures name, as archives that `ctr images import` and
# `kind load image-archive` take. Prints a line for each: NAME<TAB>REFERENCE<TAB>ARCHIVE.
#
# They are the official images of fixtures/images/workloads.txt, pulled by digest, where a registry
# answers; else the same programs from the distribution's packages. Either is kept in the cache.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly LIST="$IMAGES/workloads.txt"
readonly PATH_IN_IMAGES='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'

REGISTRY=unknown # becomes yes or no at the first image that is not in the cache

# official NAME prints the pinned reference of an image.
official() {
	awk -v name="$1" '$1 == name { print $2 }' "$LIST"
}

#
# Pulled
#

# pull REFERENCE OFFICIAL writes an archive of the official image into the current folder. The tag
# is our own, because an archive of an image that has only a digest would lose its name.
pull() {
	local reference="$1" image
	image="$(by_digest "$2")"
	TMPDIR="$TEMP" timeout 600 "$ENGINE" pull "$image"
	"$ENGINE" tag "$image" "$reference"
	TMPDIR="$TEMP" "$ENGINE" save --output image.tar "$reference"
	"$ENGINE" rmi "$reference" "$image" || true # it is in the archive now
}

registry_answers() {
	if [[ $REGISTRY == unknown ]]; then
		use_engine
		REGISTRY=yes
		if ! reachable "$(by_digest "$1")"; then
			REGISTRY=no
			say "no registry answers: building nginx, busybox and pause from the distribution's packages"
		fi
	fi
	[[ $REGISTRY == yes ]]
}

#
# Built
#

build_nginx() {
	deb_root root nginx dash coreutils grep sed
	add_users root 'nginx:x:101:101:nginx:/nonexistent:/bin/false'
	ln -sf dash root/usr/bin/sh
	cp "$IMAGES/nginx/nginx.conf" root/etc/nginx/nginx.conf
	mkdir -p root/var/log/nginx root/var/lib/nginx
	# As in the official image: `kubectl logs` shows the requests.
	ln -s /dev/stdout root/var/log/nginx/access.log
	ln -s /dev/stderr root/var/log/nginx/error.log
	archive "$1" "{$PATH_IN_IMAGES,\"Entrypoint\":[\"nginx\",\"-g\",\"daemon off;\"],\"StopSignal\":\"SIGQUIT\"}"
}

build_busybox() {
	local applet
	# Not busybox-static: Debian's static one runs applets inside the shell, so that a `ps` or a `sleep`
	# of a script has the command line of the script. In the official image each is a process of its own.
	deb_root root busybox
	add_users root
	for applet in $(chroot root /bin/busybox --list); do
		if [[ $applet != busybox ]]; then
			ln -s busybox "root/bin/$applet"
		fi
	done
	archive "$1" "{$PATH_IN_IMAGES,\"Cmd\":[\"sh\"]}"
}

build_pause_image() {
	mkdir root
	cp "$PAUSE/pause" root/
	archive "$1" '{"Entrypoint":["/pause"],"User":"65535:65535"}'
}

# add_users ROOT LINE... writes a minimal list of users, and a group for each.
add_users() {
	local root="$1"
	shift
	{
		echo 'root:x:0:0:root:/root:/bin/sh'
		echo 'www-data:x:33:33:www-data:/var/www:/bin/false'
		printf '%s\n' "$@" | grep . || true
		echo 'nobody:x:65534:65534:nobody:/nonexistent:/bin/false'
	} >"$root/etc/passwd"
	awk -F: '{ print $1 ":x:" $4 ":" }' "$root/etc/passwd" | sed 's/^nobody:/nogroup:/' >"$root/etc/group"
}

# archive REFERENCE CONFIG turns the folder root into image.tar.
archive() {
	pack root | gzip -1n >layer.tar.gz
	image_archive image.tar "$1" "$2" layer.tar.gz
	rm -rf root layer.tar.gz
}

#
# One image
#

build_hash() {
	local shared
	shared="$(declare -f deb_root download_with_dependencies slim add_users archive image_archive pack)"
	case "$1" in
	nginx) hash_of "$(distribution)" "$(architecture)" "$IMAGES/nginx" "$(declare -f build_nginx)" "$shared" ;;
	busybox) hash_of "$(distribution)" "$(architecture)" "$(declare -f build_busybox)" "$shared" ;;
	pause) hash_of "$(architecture)" "$IMAGES/pause" "$(declare -f build_pause build_pause_image)" "$shared" ;;
	esac
}

build() {
	local name="$1" hash="$2"
	debian_like || die "no registry answers, and $name can only be built as root on Debian or a kin: connect a registry, or give images of your own"
	if [[ $name == pause ]]; then
		pause_part
		PAUSE="$RESULT"
		cached workload-pause "$hash" "image pause" build_pause_image "localhost/procns/pause:$hash"
	else
		cached "workload-$name" "$hash" "image $name" "build_$name" "localhost/procns/$name:$hash"
	fi
}

provide() {
	local name="$1" image pulled built hash
	image="$(official "$name")"
	pulled="$(hash_of "$image" "$(architecture)" "$(declare -f pull)")"
	built="$(build_hash "$name")"
	if [[ -d $CACHE/workload-$name-$pulled ]]; then
		hash="$pulled"
	elif [[ -d $CACHE/workload-$name-$built ]]; then
		hash="$built"
	elif registry_answers "$image"; then
		hash="$pulled"
		cached "workload-$name" "$hash" "pull $image" pull "localhost/procns/$name:$hash" "$image"
	else
		hash="$built"
		build "$name" "$hash"
	fi
	printf '%s\tlocalhost/procns/%s:%s\t%s\n' "$name" "$name" "$hash" "$CACHE/workload-$name-$hash/image.tar"
}

main() {
	local name
	make_temp
	lock workload-images
	for name in nginx busybox pause; do
		provide "$name"
	done
}

main "$@"
