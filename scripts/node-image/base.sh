# shellcheck shell=bash
# The distribution's part of a node: its root, and what kube-proxy needs of it. Part of node-image.sh, which sources it.

# What a node is made of besides what is built here. Debian and Ubuntu have all of it under these names.
readonly BASE_PACKAGES=(
	systemd systemd-sysv # process 1
	runc                 # an older one than ours (handler runc-old), to compare with
	iptables nftables conntrack iproute2 ethtool kmod
	mount procps ca-certificates
)

# The commands that kube-proxy needs in its image, next to itself.
readonly NETFILTER=(/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/nft /usr/sbin/conntrack /bin/dash)

base_part() {
	cached base "$(base_hash)" "base of the node ($(distribution))" build_base
}

base_hash() {
	hash_of "$(distribution)" "$(architecture)" "${BASE_PACKAGES[@]}" "${NETFILTER[@]}" "$IMAGES/kube-proxy" \
		"$(declare -f build_base only_what_a_container_needs copy_commands add_iptables debian_root key_of slim)"
}

# build_base makes the distribution's part: the node's root, and kube-proxy's, which is a few
# commands and libraries out of the same root.
build_base() {
	debian_root root "${BASE_PACKAGES[@]}"
	only_what_a_container_needs root
	pack root | gzip -1n >node.tar.gz
	mkdir netfilter
	copy_commands root netfilter "${NETFILTER[@]}"
	add_iptables netfilter
	pack netfilter "${OURS[@]}" | gzip -1n >netfilter.tar.gz
	rm -rf root netfilter
}

# only_what_a_container_needs keeps systemd from waiting for hardware, consoles and logins: the
# units are left, but nothing asks for them.
only_what_a_container_needs() {
	local root="$1" units="$1/lib/systemd/system"
	rm -f "$units"/multi-user.target.wants/* "$units"/local-fs.target.wants/* "$root"/etc/systemd/system/*.wants/* \
		"$units"/sockets.target.wants/*udev* "$units"/sockets.target.wants/*initctl* "$units"/basic.target.wants/*
	ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
	ln -sf /dev/null "$root/etc/systemd/system/systemd-binfmt.service"
	ln -sf /dev/null "$root/etc/systemd/system/console-getty.service"
	# The kernel's log is the host's, not the node's.
	mkdir -p "$root/etc/systemd/journald.conf.d"
	printf '[Journal]\nReadKMsg=no\n' >"$root/etc/systemd/journald.conf.d/node.conf"
	rm -f "$root/etc/machine-id"
}

# copy_commands ROOT TARGET COMMAND... copies programs and the modules of iptables, each with the
# libraries it is linked to.
copy_commands() {
	local root="$1" target="$2" file modules
	shift 2
	modules="$(cd "$root" && find usr/lib/*/xtables -name '*.so' -printf '/%p\n')"
	{
		printf '%s\n' "$@" "$modules"
		# shellcheck disable=SC2086 # a list of files
		chroot "$root" ldd "$@" $modules | grep -oE '(=> |^[[:space:]]*)/[^ :]+ ' | grep -o '/[^ ]*' | sort -u
	} | while read -r file; do
		mkdir -p "$target$(dirname "$file")"
		cp -L "$root$file" "$target$file"
	done
}

add_iptables() {
	local bin="$1/usr/sbin" family suffix
	ln -s dash "$1/bin/sh"
	for family in iptables ip6tables; do
		for suffix in '' -save -restore; do
			ln -s xtables-nft-multi "$bin/$family-nft$suffix"
			ln -s xtables-legacy-multi "$bin/$family-legacy$suffix"
			cp "$IMAGES/kube-proxy/iptables" "$bin/$family$suffix"
		done
	done
}
