#!/usr/bin/env bash
# Breaks the runtime of one node, as a hook of scripts/upgrade.sh: an upgrade whose outcome is broken on
# this node alone, to see that the comparison says so, of this node and of no other.
#
#     HOOK="scripts/break-node.sh own-pid-namespace procns-upgrade-worker2" make upgrade-e2e FROM=… TO=…
#
#     scripts/break-node.sh MUTANT NODE ENGINE UPGRADED
#
# upgrade.sh adds the engine and the node that it has upgraded; nothing is done to a node that is not
# NODE. MUTANT is one of those that wrap the runtime (docs/ADDING_A_MUTANT.md): its program becomes what
# the node's default handler calls in the place of runc.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

[ "$#" = 4 ] || die "usage: scripts/break-node.sh MUTANT NODE ENGINE UPGRADED"
mutant=$1 node=$2 engine=$3 upgraded=$4
if [ "$node" != "$upgraded" ]; then
	say "$upgraded stays as it is"
	exit
fi
mkdir -p bin
build_sabotaged_runtime
# A program that is no mutant's ends here, and not at the first pod.
# shellcheck disable=SC2016 # for the shell in the node
"$engine" exec --interactive "$node" sh -c 'mkdir -p /opt/procns-sabotage && cat >"$1" && chmod 755 "$1" && "$1" --version >/dev/null' \
	place "/opt/procns-sabotage/$mutant" <bin/sabotaged-runtime
# Of the default handler alone: another one has a program of its own, and a second one would be an error.
"$engine" exec "$node" sed -i -E "/\.runtimes\.runc\.options\]/,/^ *\[/ s#^( *)SystemdCgroup = (true|false)\$#&\n\1BinaryName = \"/opt/procns-sabotage/$mutant\"#" /etc/containerd/config.toml
"$engine" exec "$node" grep -q "/$mutant\"" /etc/containerd/config.toml
"$engine" exec "$node" systemctl restart containerd
say "$node is broken from here on: $mutant"
