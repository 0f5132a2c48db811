# shellcheck shell=bash
# Container runtimes that a node may have besides its own, for scripts/runtimes.sh. Source it after
# lib.sh. Each is a folder of the cache that is mounted into a node at $IN_NODE/NAME: the paths in
# the folders are those in the node.

readonly IN_NODE=/opt/procns-runtimes

# crun of Debian's release trixie: bookworm's 1.8 refuses what containerd 2 writes into config.json.
# apt checks the package against its signed list; another version may behave otherwise.
readonly CRUN_SUITE=trixie CRUN_VERSION=1.21

# crun_suite prints the release that crun is taken from: kins of Debian have releases of their own.
crun_suite() {
	local id codename
	read -r id codename <<<"$(distribution)"
	if [[ $id == debian ]]; then
		codename=$CRUN_SUITE
	fi
	echo "$codename"
}

# crun_part sets RESULT to the folder with crun, its libraries (those of a node may be older), and the
# bus over which it asks systemd for a container's control group: a node that is built here has none.
crun_part() {
	local suite hash
	suite="$(crun_suite)"
	hash="$(hash_of "$IMAGES/crun" "$(architecture)" "$suite" "$CRUN_VERSION" "$IN_NODE" "$(declare -f build_crun apt_of_suite key_of)")"
	if [[ ! -d $CACHE/crun-$hash ]]; then
		debian_like || die "crun is taken out of Debian's package, which only root on Debian or a kin can do from here: RUNTIMES=… leaves it out"
		require_packages patchelf
		fetch_lists
	fi
	cached crun "$hash" "crun of $suite" build_crun "$suite"
	local served
	served="$(<"$RESULT/version")"
	if [[ $served != "$CRUN_VERSION"* ]]; then
		say "crun $served is served, not $CRUN_VERSION: docs/RUNTIMES.md tells of the latter"
	fi
}

build_crun() {
	local apt=() packages=() package program here="$IN_NODE/crun"
	apt_of_suite "$TEMP/suite" "$1"
	apt-get "${apt[@]}" update
	mapfile -t packages < <(apt-get "${apt[@]}" --no-install-recommends --simulate install crun dbus-daemon | awk '$1 == "Inst" { print $2 }')
	((${#packages[@]} > 0))
	mkdir debs root lib
	(cd debs && apt-get "${apt[@]}" download "${packages[@]}")
	for package in debs/*.deb; do
		dpkg-deb --extract "$package" root
	done
	dpkg-deb --field debs/crun_*.deb Version >version
	find root -path '*/lib/*-linux-*/*' -name '*.so*' -not -path '*/gconv/*' -exec cp -L {} lib/ \;
	for program in crun dbus-daemon; do
		cp "root/usr/bin/$program" .
		# Absolute paths, and a path for libraries of libraries as well: crun starts itself once more out
		# of memory, where it has no folder of its own.
		patchelf --set-interpreter "$here/lib/$(basename "$(patchelf --print-interpreter "$program")")" \
			--force-rpath --set-rpath "$here/lib" "$program"
	done
	cp "$IMAGES"/crun/* .
	rm -rf debs root
}

# apt_of_suite FOLDER SUITE sets apt to the options by which apt-get sees the packages of another
# release and none else, from where this machine gets its own and with the same key. Nothing of the
# machine's is changed.
apt_of_suite() {
	local folder="$1" suite="$2" address list components key
	read -r address list components <<<"$(source_of_packages)"
	key="$(key_of "$list")"
	mkdir -p "$folder"/{lists,cache/archives}/partial
	: >"$folder/status"
	printf 'deb %s%s %s %s\n' "${key:+[signed-by=$key] }" "$address" "$suite" "${components//,/ }" >"$folder/suite.list"
	apt=(
		-o "Dir::State=$folder" -o "Dir::State::status=$folder/status" -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache"
		-o "Dir::Etc::sourcelist=$folder/suite.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::Languages=none
	)
}

# gvisor_part sets RESULT to the folder with gVisor's runsc, the shim, and what stands in front of runsc.
gvisor_part() {
	local hash
	hash="$(hash_of "$IMAGES/gvisor" "$(go version)" "$IN_NODE" "$ROOT/e2e/cmd/runsc-in-kind" "$ROOT/e2e/internal/sabotage/oci" \
		"$ROOT/scripts/go.sh" "$(declare -f go_build build_gvisor)")"
	cached gvisor "$hash" "gVisor" build_gvisor
}

# build_gvisor also vets the shim: make lint leaves it out, since for that all of gVisor must be compiled.
build_gvisor() {
	local module="$IMAGES/gvisor" out="$PWD" version
	version="$(cd "$module" && GOWORK=off GOFLAGS=-mod=readonly go list -m -f '{{.Version}}' gvisor.dev/gvisor)"
	go_build "$module" -ldflags "-s -w -X gvisor.dev/gvisor/runsc/version.version=$version" tool ./containerd-shim-runsc-v1
	(cd "$module" && GOOS=linux GOWORK=off GOFLAGS=-mod=readonly "$ROOT/scripts/go.sh" vet ./...)
	(cd "$ROOT" && GOOS=linux scripts/go.sh build -ldflags '-s -w' -o "$out/" ./e2e/cmd/runsc-in-kind)
	cp "$module/runsc.toml" .
}
