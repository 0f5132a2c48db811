# shellcheck shell=bash
# The tools of by-hand.sh. Source it, do not run it.
# shellcheck disable=SC2016,SC2034 # what is in single quotes is for a container's shell, or for awk

set -Eeuo pipefail
shopt -s inherit_errexit

fixtures=$(dirname "${BASH_SOURCE[0]}")/../../fixtures
official() { awk -v name="$1" '$1 == name { print $2 }' "$fixtures/images/workloads.txt"; }

NODE=${NODE:-}
NGINX_IMAGE=${NGINX_IMAGE:-$(official nginx)}
BUSYBOX_IMAGE=${BUSYBOX_IMAGE:-$(official busybox)}
BUSYBOX_1_28_IMAGE=${BUSYBOX_1_28_IMAGE:-$(official busybox:1.28)}
PAUSE_IMAGE=${PAUSE_IMAGE:-$(official pause)}

run=$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
namespace=procns-by-hand-$run
folder=$(mktemp -d)
failed=0
pods=0

#
# Tools
#

# k is kubectl in the script's namespace. Its calls are counted.
k() {
	printf '%s\n' "$1" >>"$folder/calls"
	kubectl --namespace "$namespace" "$@"
}

# manifest FILE prints a fixture with the images, on the node, and with this run's own texts in place of
# MARKER-name. The lines are those of fixtures/FILE.yaml.
manifest() {
	local place='s/^/&/'
	if [[ -n $NODE ]]; then
		place="0,/^( *)(initContainers|containers):\$/s//\1nodeName: $NODE\n&/"
	fi
	sed -E -e "$place" -e "s#MARKER-#marker-$run-#g" \
		-e "s#image: nginx\$#image: $NGINX_IMAGE#" -e "s#image: busybox\$#image: $BUSYBOX_IMAGE#" \
		-e "s#image: busybox:1.28\$#image: $BUSYBOX_1_28_IMAGE#" -e "s#image: registry.k8s.io/pause:.*#image: $PAUSE_IMAGE#" \
		"$fixtures/$1.yaml"
}

# apply FILE creates what is in a fixture: one pod, or what makes one.
apply() {
	manifest "$1" | k apply -f - >/dev/null
	pods=$((pods + 1))
}

ready() { k wait --for=condition=Ready "pod/$1" --timeout=180s >/dev/null; }

# remove KIND/NAME deletes, and waits until it is gone: the next fixture may have the same name.
remove() { k delete "$1" --grace-period=1 >/dev/null; }

# inside POD CONTAINER COMMAND... runs a command in a container. POD may be deployment/NAME, or the like.
inside() {
	local pod=$1 container=$2
	shift 2
	k exec "$pod" -c "$container" -- "$@"
}

# processes POD CONTAINER prints what a container sees: a PID and a command line for each process.
processes() {
	inside "$1" "$2" sh -c 'for p in /proc/[0-9]*; do echo "${p#/proc/} $(cat "$p/cmdline" 2>/dev/null | tr "\0\n" "  ")"; done'
}

# pid TEXT prints the first PID whose command line holds the text, of what processes printed on standard input.
pid() { awk -v text="$1" 'index($0, text) && !seen { print $1; seen = 1 }'; }

# marker NAME is the text that a fixture has as MARKER-name.
marker() { printf 'marker-%s-%s' "$run" "$1"; }

# of POD CONTAINER NAME is the PID, as that container sees it, of the process that has a marker.
of() { processes "$1" "$2" | pid "$(marker "$3")"; }

# namespace_of POD CONTAINER is the container's PID namespace, such as pid:[4026532758].
namespace_of() { inside "$1" "$2" readlink /proc/self/ns/pid; }

restarts() { k get pod "$1" -o jsonpath='{.status.containerStatuses[*].restartCount}'; }

# field KIND/NAME [PATH] is the field as it is stored, or nothing.
field() { k get "$1" -o jsonpath="{.spec${2:-}.shareProcessNamespace}"; }

# says TEXT PATTERN... and hides TEXT PATTERN... tell whether a text has a line for each pattern, or for none.
says() {
	local text=$1 pattern
	shift
	for pattern in "$@"; do
		grep -qE -- "$pattern" <<<"$text" || return 1
	done
}
hides() {
	local text=$1 pattern
	shift
	for pattern in "$@"; do
		if grep -qE -- "$pattern" <<<"$text"; then return 1; fi
	done
}

same() { [[ -n $1 && $1 == "$2" ]]; }
differ() { [[ -n $1 && -n $2 && $1 != "$2" ]]; }

# denied COMMAND... tells whether a command fails for lack of permission. refused TEXT COMMAND... tells
# whether it fails with that text.
denied() { refused 'Permission denied|Operation not permitted' "$@"; }
refused() {
	local said text=$1
	shift
	if said=$("$@" 2>&1); then return 1; fi
	says "$said" "$text"
}

# soon SECONDS COMMAND... repeats a command until it succeeds.
soon() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 1 # between two looks
	done
}

# expect CASE COMMAND... says whether what a case of the catalogue claims is so.
expect() {
	local id=$1
	shift
	if "$@" >/dev/null; then
		printf 'ok    %s\n' "$id"
	else
		printf 'FAIL  %s: %s\n' "$id" "$(cut -c1-400 <<<"${*//$'\n'/ }")"
		failed=$((failed + 1))
	fi
}

#
# From the namespace to its deletion
#

# shellcheck disable=SC2317,SC2329 # called by the trap
clean_up() {
	local code=$?
	if ((code == 0 && failed > 0)); then code=1; fi
	trap - EXIT
	trap '' HUP INT TERM
	kubectl delete namespace "$namespace" --ignore-not-found >/dev/null || code=3
	rm -rf "$folder"
	exit "$code"
}

# account tells whether the namespace has its default ServiceAccount, without which no pod is admitted.
account() { k get serviceaccount default >/dev/null 2>&1; }
