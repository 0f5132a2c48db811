# shellcheck shell=bash
# The virtual machine of scripts/vm.sh while it runs: its network, its start, how it becomes a node, and
# how commands reach it. Source it after vm-parts.sh; OUT is the folder for what it logs.

readonly CLUSTER=procns-vm
readonly NODE=$CLUSTER-machine
readonly LABEL=procns/vm # of the node
readonly TAP=procnsvm0 # its network device on the host

# The machine's address is that of the engine's bridge with this as its last number: engines hand out
# the lowest that are free, and nobody else is on the bridge. The node's pod network is named after it.
readonly HOST_NUMBER=200

# From qemu's start until the node is Ready. On two busy processors it has taken five minutes.
readonly READY_WITHIN=45m

MACHINE=  # qemu's process
CONSOLE=  # the process that shows the console's progress
WATCHING= # the process that waits for the node

# find_bridge sets BRIDGE, the host's device on the cluster's network, GATEWAY, the host's address
# there, and ADDRESS and PREFIX, the machine's. The host's way to the control plane tells them, whatever
# the engine is.
find_bridge() {
	local route
	CONTROL_PLANE=$(on_control_plane kubectl get "node/$CLUSTER-control-plane" \
		--output 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}')
	route=$(ip -4 -oneline route get "$CONTROL_PLANE")
	BRIDGE=$(grep -oP ' dev \K\S+' <<<"$route")
	GATEWAY=$(grep -oP ' src \K\S+' <<<"$route")
	[[ -d /sys/class/net/$BRIDGE/bridge ]] ||
		die "the way to the control plane ($CONTROL_PLANE) is over $BRIDGE, which is no bridge of this host: the engine has to be root's, and run here"
	PREFIX=$(ip -4 -oneline address show dev "$BRIDGE" | awk '{ sub(".*/", "", $4); if (NR == 1) print $4 }')
	ADDRESS=${CONTROL_PLANE%.*}.$HOST_NUMBER
}

# prepare_run KERNEL writes what is different in every run: the machine's address and identity, how it
# joins the cluster, and who may enter it. The initramfs lays node/ over the root file system.
prepare_run() {
	local kernel=$1 folder=$TEMP/run node=$TEMP/run/node
	mkdir -p "$node"/{etc,kind,root/.ssh}
	printf 'ADDRESS=%s/%s\nGATEWAY=%s\n' "$ADDRESS" "$PREFIX" "$GATEWAY" >"$folder/run.env"
	echo "$NODE" >"$node/etc/hostname"
	printf '127.0.0.1 localhost\n%s %s\n%s %s\n' "$CONTROL_PLANE" "$CLUSTER-control-plane" "$ADDRESS" "$NODE" >"$node/etc/hosts"
	echo "nameserver $GATEWAY" >"$node/etc/resolv.conf"
	tr -d - </proc/sys/kernel/random/uuid >"$node/etc/machine-id"
	join_configuration >"$node/kind/kubeadm.conf"
	ssh-keygen -q -t ed25519 -N '' -C procns -f "$TEMP/key"
	cp "$TEMP/key.pub" "$node/root/.ssh/authorized_keys"
	chmod 700 "$node/root" "$node/root/.ssh"
	initramfs "$kernel/busybox" "$folder" >"$TEMP/run.gz"
	cat "$kernel/initrd.gz" "$TEMP/run.gz" >"$TEMP/initrd.gz"
	write_ssh_config >"$TEMP/ssh_config"
	# PATH: an ssh server's own leaves /usr/local out.
	cat >"$OUT/on-machine" <<-END
		#!/bin/sh
		exec ssh -F '$TEMP/ssh_config' vm "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH; \$1" </dev/null
	END
	chmod +x "$OUT/on-machine"
}

# join_configuration prints how kubeadm joins the machine. The second line is for the node image's own
# pod network, which reads it here. kubelet's look at every container's use, which nothing of the suite
# asks for, would take half of the machine.
join_configuration() {
	local join token hash pods
	join=$(on_control_plane kubeadm token create --ttl 3h --print-join-command)
	token=$(grep -oP -- '--token \K\S+' <<<"$join")
	hash=$(grep -oP -- '--discovery-token-ca-cert-hash \K\S+' <<<"$join")
	pods=$(grep -oE 'podSubnet: .*' kind-config.yaml)
	cat <<-END
		# For kubeadm, and for /kind/bin/pod-network:
		# $pods
		apiVersion: kubeadm.k8s.io/v1beta4
		kind: JoinConfiguration
		discovery:
		  bootstrapToken:
		    apiServerEndpoint: $CLUSTER-control-plane:6443
		    token: $token
		    caCertHashes:
		      - $hash
		nodeRegistration:
		  name: $NODE
		  criSocket: unix:///run/containerd/containerd.sock
		  taints: []
		  kubeletExtraArgs:
		    - name: node-ip
		      value: $ADDRESS
		    - name: node-labels
		      value: $LABEL=
		    - name: housekeeping-interval
		      value: 5m
		timeouts:
		  discovery: 15m
		  kubeletHealthCheck: 15m
		  kubernetesAPICall: 15m
		  tlsBootstrap: 15m
	END
}

# write_ssh_config: the machine is on this host's own bridge and has a new key in every run. One
# connection serves all commands (connect), where its socket's path is not too long for one: exchanging
# keys takes the machine seconds.
write_ssh_config() {
	cat <<-END
		Host vm
		  HostName $ADDRESS
		  User root
		  IdentityFile "$TEMP/key"
		  IdentitiesOnly yes
		  BatchMode yes
		  StrictHostKeyChecking no
		  UserKnownHostsFile /dev/null
		  GlobalKnownHostsFile /dev/null
		  LogLevel ERROR
		  ConnectTimeout 60
		  ServerAliveInterval 30
		  ServerAliveCountMax 6
		  ControlMaster no
	END
	if ((${#TEMP} < 80)); then
		echo "  ControlPath \"$TEMP/ssh\""
	fi
}

# start_machine KERNEL starts qemu. What it writes to its disk goes into a file that nobody keeps. It is
# killed when this script ends, however that ends, and not sooner: a Ctrl-C is not meant for it. Without HPET, and with the processor's counter as the clock, to look at the clock does not mean
# to leave the emulation; the kernel must not mind that both come late.
start_machine() {
	local line="console=ttyS0 panic=-1 net.ifnames=0 mitigations=off nowatchdog no_timer_check tsc=reliable clocksource=tsc"
	line+=" rcupdate.rcu_cpu_stall_suppress=1 systemd.show_status=0"
	ip tuntap add dev "$TAP" mode tap
	ip link set "$TAP" master "$BRIDGE" up
	: >"$OUT/console.log"
	TMPDIR=$TEMP setsid setpriv --pdeathsig KILL qemu-system-x86_64 \
		-nodefaults -no-user-config -display none \
		-M pc,usb=off,hpet=off -accel tcg,thread=multi,tb-size=1024 -cpu max,la57=off,svm=off -smp 2 -m 3072 -rtc base=utc \
		-kernel "$1/vmlinuz" -initrd "$TEMP/initrd.gz" -append "$line" \
		-drive "file=$DISK,format=raw,if=none,id=disk,cache=unsafe,snapshot=on" -device virtio-blk-pci,drive=disk \
		-netdev "tap,id=net,ifname=$TAP,script=no,downscript=no" -device virtio-net-pci,netdev=net,romfile= \
		-device virtio-rng-pci -serial "file:$OUT/console.log" </dev/null >"$OUT/qemu.log" 2>&1 &
	MACHINE=$!
}

# await_ready watches until the node is Ready, and shows meanwhile what the machine does. It ends early
# if the machine does.
await_ready() {
	local begin=$SECONDS ended code=0
	say "starting $NODE ($ADDRESS on $BRIDGE), which takes minutes (console: $OUT/console.log)"
	set -m # groups of their own, to be ended as such
	show_console "$begin" &
	CONSOLE=$!
	node_ready >"$OUT/ready.log" 2>&1 &
	WATCHING=$!
	set +m
	wait -n -p ended "$WATCHING" "$CONSOLE" "$MACHINE" || code=$?
	case "$ended" in
	"$MACHINE")
		MACHINE=
		tail -n 5 "$OUT/qemu.log" >&2
		not_ready "qemu ended with $code"
		;;
	"$CONSOLE")
		CONSOLE=
		not_ready "its kernel panicked"
		;;
	esac
	if ((code != 0)); then
		tail -n 3 "$OUT/ready.log" >&2
		not_ready "not within $READY_WITHIN, see $OUT/ready.log"
	fi
	WATCHING=
	kill -KILL -- "-$CONSOLE" 2>/dev/null || true
	wait "$CONSOLE" 2>/dev/null || true
	CONSOLE=
	say "$NODE is Ready after $((SECONDS - begin))s"
}

not_ready() {
	tail -n 5 "$OUT/console.log" >&2
	die "$NODE did not get Ready: $1; its console is in $OUT/console.log"
}

# show_console BEGIN prints what the programs of fixtures/images/vm say, each with the time since then.
# It ends with the machine's kernel.
show_console() {
	local line
	while IFS= read -r line; do
		if [[ $line == *"Kernel panic"* ]]; then
			return
		elif [[ $line =~ procns:\ (.*) ]]; then
			say "$NODE, $((SECONDS - $1))s: ${BASH_REMATCH[1]%$'\r'}"
		fi
	done < <(exec tail --follow --lines +1 "$OUT/console.log")
}

node_ready() {
	on_control_plane timeout "$READY_WITHIN" sh -c \
		"kubectl wait node/$NODE --for create --timeout $READY_WITHIN && kubectl wait node/$NODE --for condition=Ready --timeout $READY_WITHIN"
}

# connect opens the connection that later commands use.
connect() {
	if grep -q ControlPath "$TEMP/ssh_config"; then
		retry 10 ssh -F "$TEMP/ssh_config" -o ControlMaster=yes -fNT vm </dev/null >"$TEMP/ssh.log" 2>&1
	fi
	on_machine 'uname --all; cat /sys/kernel/security/lsm'
}

# on_machine LINE runs a line for a shell on the machine.
on_machine() {
	"$OUT/on-machine" "$1"
}
