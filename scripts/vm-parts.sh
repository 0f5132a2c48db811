# shellcheck shell=bash
# What the virtual machine of scripts/vm.sh is made of: the kernel of the distribution with an
# initramfs, and a disk with the file system of the node image. Source it after lib.sh.

readonly VM="$IMAGES/vm"

# Modules that are needed before the root file system is there; a kernel may have some built in.
readonly EARLY_MODULES=(virtio_pci virtio_blk virtio_net virtio_rng ext4)

# The distribution's programs in the machine: what loads AppArmor's profiles, and a small ssh server.
readonly VM_PROGRAMS=(usr/sbin/apparmor_parser usr/sbin/dropbear)
readonly VM_PACKAGES=(apparmor dropbear-bin busybox-static kmod patchelf)

# kernel_package prints the package that depends on the distribution's kernel for virtual machines.
kernel_package() {
	case "$(distribution)" in
	ubuntu*) echo linux-image-virtual ;;
	*) echo linux-image-cloud-amd64 ;;
	esac
}

# vm_kernel_part sets RESULT to a folder with vmlinuz, initrd.gz, and root/: what belongs to them in
# the root file system. Like the base of a node, it stays until the distribution or its making changes.
vm_kernel_part() {
	local hash
	hash="$(hash_of "$(distribution)" "$VM/init" "${EARLY_MODULES[@]}" "${VM_PROGRAMS[@]}" "${VM_PACKAGES[@]}" \
		"$(declare -f kernel_package build_vm_kernel download_kernel add_modules add_programs build_initramfs initramfs deb_root slim)")"
	cached vm-kernel "$hash" "kernel of the virtual machine ($(distribution))" build_vm_kernel
}

build_vm_kernel() {
	local tools="$TEMP/vm-tools" kernel="$TEMP/vm-kernel" version
	deb_root "$tools" "${VM_PACKAGES[@]}"
	download_kernel "$kernel"
	version="$(basename "$kernel"/boot/vmlinuz-*)"
	version="${version#vmlinuz-}"
	cp "$kernel/boot/vmlinuz-$version" vmlinuz
	mkdir root
	add_modules "$tools" "$kernel" "$version"
	add_programs "$tools"
	build_initramfs "$tools" "$version"
	rm -rf "$tools" "$kernel"
}

# download_kernel FOLDER unpacks the kernel and its modules, which some distributions have in a package
# of their own, and nothing of what a machine that boots on its own needs besides.
download_kernel() {
	local folder="$1" packages package
	mapfile -t packages < <(apt-get --option Dir::State::status=/dev/null --no-install-recommends --simulate install "$(kernel_package)" |
		awk '$1 == "Inst" && $2 ~ /^linux-(image|modules)-[0-9]/ { print $2 }')
	((${#packages[@]} > 0))
	mkdir "$folder" "$folder/debs"
	(cd "$folder/debs" && apt-get --option APT::Sandbox::User=root download "${packages[@]}")
	for package in "$folder"/debs/*.deb; do
		dpkg-deb --extract "$package" "$folder"
	done
}

# add_modules TOOLS KERNEL VERSION puts the modules into root/ and indexes them, unpacked: whatever
# programs of the node image load them.
add_modules() {
	local tools="$1" kernel="$2" version="$3" modules file
	modules="$tools/usr/lib/modules/$version"
	mkdir -p "$tools/usr/lib/modules" root/usr/lib/modules
	for file in "$kernel/lib/modules/$version" "$kernel/usr/lib/modules/$version"; do
		if [[ -d $file ]]; then
			mv "$file" "$modules"
		fi
	done
	find "$modules" -name '*.ko.xz' -exec xz --decompress {} +
	find "$modules" -name '*.ko.zst' -exec zstd --quiet --decompress --rm {} +
	chroot "$tools" depmod "$version"
	cp -a "$modules" root/usr/lib/modules/
}

# add_programs TOOLS puts the programs and AppArmor's own files into root/. The programs get paths of
# their own for their libraries: the node image may be of another distribution, with older ones.
add_programs() {
	local tools="$1" program name file
	mkdir -p root/procns/bin root/procns/lib root/etc root/usr/sbin
	cp -a "$tools"/etc/apparmor* root/etc/
	if [[ -d $tools/usr/share/apparmor-features ]]; then # which parser.conf names
		mkdir -p root/usr/share
		cp -a "$tools/usr/share/apparmor-features" root/usr/share/
	fi
	rm -rf root/etc/apparmor.d/usr.* root/etc/apparmor.d/local # profiles of programs that are not there
	for program in "${VM_PROGRAMS[@]}"; do
		name="$(basename "$program")"
		cp -L "$tools/$program" root/procns/bin/
		chroot "$tools" /lib64/ld-linux-x86-64.so.2 --list "/$program" |
			grep -oE '(=> |^[[:space:]]*)/[^ ]+' | grep -o '/.*' | while read -r file; do
			cp -L "$tools$file" root/procns/lib/
		done
		cp "root/procns/bin/$name" "$tools/tmp/$name"
		chroot "$tools" patchelf --set-interpreter /procns/lib/ld-linux-x86-64.so.2 --force-rpath --set-rpath /procns/lib "/tmp/$name"
		cp "$tools/tmp/$name" root/procns/bin/
	done
	ln -s /procns/bin/apparmor_parser root/usr/sbin/apparmor_parser # where containerd and runc look for it
}

build_initramfs() {
	local tools="$1" version="$2" module insmod file
	mkdir -p initramfs/{bin,dev,proc,sys,root,modules}
	cp "$tools/usr/bin/busybox" initramfs/bin/
	cp "$tools/usr/bin/busybox" busybox
	cp "$VM/init" initramfs/
	for module in "${EARLY_MODULES[@]}"; do
		# Lines are "insmod FILE" and "builtin NAME", dependencies first.
		chroot "$tools" modprobe --set-version "$version" --show-depends "$module"
	done | while read -r insmod file; do
		if [[ $insmod == insmod && ! -f initramfs/modules/$(basename "$file") ]]; then
			cp "$tools$file" initramfs/modules/
			basename "$file" >>initramfs/modules/order
		fi
	done
	initramfs ./busybox initramfs >initrd.gz
	rm -rf initramfs
}

# initramfs BUSYBOX FOLDER prints a packed cpio archive of the folder. The kernel unpacks several that
# follow each other, over each other.
initramfs() {
	local busybox
	busybox="$(realpath "$1")"
	(cd "$2" && find . | LC_ALL=C sort | "$busybox" cpio -o -H newc) | gzip -1n
}

# vm_disk_part KERNEL NODE_IMAGE ARCHIVE... sets RESULT to a folder with disk.ext4, the machine's root
# file system without what differs from run to run. Each archive is NAME=FILE.
vm_disk_part() {
	local kernel="$1" image="$2" id hash archive files=()
	shift 2
	id="$("$ENGINE" image inspect --format '{{.Id}}' "$image")"
	for archive in "$@"; do
		files+=("${archive%%=*}" "$(basename "$(dirname "${archive#*=}")")") # the folder's name has its hash
	done
	hash="$(hash_of "$(basename "$kernel")" "$id" "${files[@]}" "$VM/rootfs" "$(declare -f build_vm_disk export_image)")"
	cached vm-disk "$hash" "disk of the virtual machine" build_vm_disk "$kernel" "$image" "$@"
}

build_vm_disk() {
	local kernel="$1" image="$2" root="$TEMP/vm-root" archive unit
	shift 2
	mkdir "$root"
	export_image "$image" "$root"
	tar --create --directory "$kernel/root" . | tar --extract --directory "$root" --keep-directory-symlink
	cp -R "$VM/rootfs/." "$root/"
	for unit in multi-user.target/procns-join sysinit.target/procns-ssh; do
		mkdir -p "$root/etc/systemd/system/${unit%/*}.wants"
		ln -s "/etc/systemd/system/${unit#*/}.service" "$root/etc/systemd/system/${unit%/*}.wants/"
	done
	mkdir -p "$root/procns/images" "$root/etc/dropbear" "$root"/{dev,proc,sys,run,tmp}
	for archive in "$@"; do
		cp -L "${archive#*=}" "$root/procns/images/${archive%%=*}.tar"
	done
	echo '/dev/vda / ext4 defaults 0 0' >"$root/etc/fstab"
	rm -f "$root/.dockerenv" "$root/run/.containerenv" # by which programs tell that they are in a container
	# Sparse: most of it is for what the node will unpack and write.
	truncate --size 8G disk.ext4
	mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 -d "$root" disk.ext4
	rm -rf "$root"
}

# EXPORTED is the container that a node image's file system is taken out of. It is never started.
readonly EXPORTED=procns-vm-root

export_image() {
	"$ENGINE" rm --force "$EXPORTED" >/dev/null 2>&1 || true
	"$ENGINE" create --name "$EXPORTED" "$1"
	"$ENGINE" export "$EXPORTED" | tar --extract --directory "$2" --numeric-owner
	"$ENGINE" rm --force "$EXPORTED"
}
