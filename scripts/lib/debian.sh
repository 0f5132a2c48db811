# shellcheck shell=bash
# The distribution's packages: installed here, or unpacked into a root. Part of lib.sh, which sources it.

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
