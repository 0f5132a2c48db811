#!/usr/bin/env bash
# shellcheck disable=SC2016,SC2317,SC2329 # single quotes: for a container's shell; functions: called by name
# What the documentation says of pods with shareProcessNamespace, tried by hand: kubectl apply, wait, exec
# and grep, one sentence after the other. Read it as a walkthrough of the page
# (https://kubernetes.io/docs/tasks/configure-pod-container/share-process-namespace/), or run it:
#
#     scripts/by-hand.sh                       everything
#     scripts/by-hand.sh walkthrough pid1      some areas
#
# It asserts what the suite's Core cases claim, and names each by its ID; none is left out, but for those of
# attach where there is no script(1), which gives kubectl a terminal. It tells less than the suite does: a
# check that always passes is not noticed, since there are no controls, processes are known by their command
# lines, and the first exec that fails ends it. `make bench` compares the two.
#
# This file is the page, step by step. The documentation's other sentences are in by-hand/processes.sh,
# access.sh and api.sh, area by area, and the tools of them all in by-hand/tools.sh.
#
# Needs kubectl. Reads KUBECONFIG, NODE (the pods' node; default: wherever the scheduler puts them), and NGINX_IMAGE,
# BUSYBOX_IMAGE, BUSYBOX_1_28_IMAGE and PAUSE_IMAGE (default: those of fixtures/images/workloads.txt). Creates
# one namespace, and deletes it. Exits with 0 if all is as the page says, with 1 if something is not, and with
# another code if it could not go on.
here=$(dirname "${BASH_SOURCE[0]}")/by-hand
# shellcheck source=scripts/by-hand/tools.sh
source "$here/tools.sh"
# shellcheck source=scripts/by-hand/processes.sh
source "$here/processes.sh"
# shellcheck source=scripts/by-hand/access.sh
source "$here/access.sh"
# shellcheck source=scripts/by-hand/api.sh
source "$here/api.sh"

#
# The page, step by step
#

walkthrough() {
	local list master old shown

	# Create the pod.
	apply share-process-namespace
	ready nginx
	expect version/field-is-kept same "$(field pod/nginx)" true
	expect walkthrough/manifest-runs same "$(restarts nginx)" '0 0'
	expect walkthrough/manifest-runs same "$(namespace_of nginx nginx)" "$(namespace_of nginx shell)"

	# Run ps in the container shell.
	list=$(inside nginx shell ps ax)
	expect walkthrough/exec-ps says "$list" '^ *1 ' 'nginx: master' 'nginx: worker' ' sh$' ' ps ax$'
	expect pid1/sandbox-is-pause says "$list" '^ *1 .*/pause'
	expect pid1/is-the-sandbox same "$(first nginx nginx)" "$(first nginx shell)"
	expect pid1/is-the-sandbox hides "$list" '^ *1 .*(nginx|sh$)'

	# Signal the other container's process: nginx gets new workers, and goes on.
	master=$(processes nginx shell | pid 'nginx: master')
	old=$(workers)
	inside nginx shell kill -HUP "$master"
	expect walkthrough/exec-hangup soon 30 workers_replaced "$old"
	expect signals/hangup-replaces-workers same "$(processes nginx shell | pid 'nginx: master')" "$master"
	expect signals/hangup-replaces-workers same "$(restarts nginx)" '0 0'
	expect signals/hangup-replaces-workers inside nginx shell wget -q -O /dev/null http://127.0.0.1/
	# Bit 19 is CAP_SYS_PTRACE.
	expect signals/works-with-sys-ptrace bit "$(inside nginx shell cat /proc/self/status | awk '/^CapEff/ { print $2 }')" 19

	# Look into the other container's filesystem.
	shown=$(inside nginx shell head "/proc/$master/root/etc/nginx/nginx.conf")
	expect walkthrough/exec-nginx-conf same "$shown" "$(inside nginx nginx head /etc/nginx/nginx.conf)"
	shown=$(inside nginx shell sha256sum "/proc/$master/root/etc/nginx/nginx.conf" | cut -d' ' -f1)
	expect filesystem/nginx-conf same "$shown" "$(inside nginx nginx sha256sum /etc/nginx/nginx.conf | cut -d' ' -f1)"

	attached
	# Signal process 1, as one would where nginx is that: it is the sandbox's now.
	old=$(workers)
	shown=$(first nginx shell)
	inside nginx nginx sh -c 'kill -HUP 1' || true # the sandbox may not be ours to signal
	expect pid1/hangup-reaches-the-sandbox same "$(workers)" "$old"
	expect pid1/hangup-reaches-the-sandbox same "$(first nginx shell)" "$shown"
	expect pid1/hangup-reaches-the-sandbox same "$(restarts nginx)" '0 0'
	remove pod/nginx

	# The page's English version has the shell container run sleep.
	apply share-process-namespace-english
	ready nginx
	expect walkthrough/english-manifest-runs same "$(restarts nginx)" '0 0'
	expect walkthrough/english-manifest-runs same "$(namespace_of nginx nginx)" "$(namespace_of nginx shell)"
	list=$(inside nginx shell ps ax)
	expect walkthrough/english-ps says "$list" '^ *1 ' 'nginx: master' 'nginx: worker' 'sleep 3600' ' ps ax$'
	master=$(processes nginx shell | pid 'nginx: master')
	old=$(workers)
	inside nginx shell kill -HUP "$master"
	expect walkthrough/english-hangup soon 30 workers_replaced "$old"
	shown=$(inside nginx shell head "/proc/$master/root/etc/nginx/nginx.conf")
	expect walkthrough/english-nginx-conf same "$shown" "$(inside nginx nginx head /etc/nginx/nginx.conf)"
	remove pod/nginx
}

# first POD CONTAINER prints of process 1 its PID, its parent and when it started.
first() { inside "$1" "$2" cat /proc/1/stat | awk '{ sub(/^.*\) /, ""); print 1, $2, $20 }'; }

workers() { processes nginx shell | awk '/nginx: worker/ { print $1 }'; }

# workers_replaced OLD tells whether there are workers, and none of the old ones.
workers_replaced() {
	local now
	now=$(workers)
	[[ -n $now && -z $(comm -12 <(sort <<<"$1") <(sort <<<"$now")) ]]
}

# bit HEX NUMBER tells whether a bit of a number is set.
bit() { (((16#$1 >> $2) & 1)); }

# attached types the page's commands into a terminal that is attached to the shell.
attached() {
	local list master old shown terminal
	if ! command -v script >/dev/null; then
		echo 'left out: the cases of attach: there is no script(1) to make a terminal'
		return
	fi
	echo attach >>"$folder/calls"
	coproc TERMINAL { exec script --quiet --flush --command "kubectl --namespace $namespace attach -it nginx -c shell" /dev/null 2>&1; }
	exec 3<&"${TERMINAL[0]}" 4>&"${TERMINAL[1]}"
	terminal=$TERMINAL_PID
	expect walkthrough/attach-prompt says "$(prompted)" '/ $'
	list=$(typed 'ps ax')
	expect walkthrough/attach-ps says "$list" '^ *1 ' 'nginx: master' 'nginx: worker' ' sh$' ' ps ax$'
	master=$(awk '/nginx: master/ { print $1 }' <<<"$list")
	old=$(workers)
	typed "kill -HUP $master" >/dev/null
	expect walkthrough/attach-hangup soon 30 workers_replaced "$old"
	shown=$(typed "head /proc/$master/root/etc/nginx/nginx.conf")
	expect walkthrough/attach-nginx-conf says "$shown" '^user +nginx;' '^worker_processes ' '^events '
	exec 3<&- 4>&-
	kill "$terminal" 2>/dev/null || true
	wait "$terminal" 2>/dev/null || true
}

# prompted presses Enter, and prints what the terminal shows up to the next prompt, "/ # ".
prompted() {
	local shown=
	printf '\n' >&4
	IFS= read -r -t 30 -d '#' shown <&3 || true
	printf '%s\n' "$shown"
}

# typed LINE types a line, and prints what the terminal shows up to its end. The word that tells the end is
# typed with quotes in it, since the terminal shows what is typed as well.
typed() {
	local line end=$RANDOM
	printf "%s; echo e''nd-%s\n" "$1" "$end" >&4
	while IFS= read -r -t 30 line <&3; do
		line=${line%$'\r'}
		[[ $line != *"end-$end" ]] || break
		printf '%s\n' "$line"
	done
}

#
# All of it
#

main() {
	local all=(walkthrough pid1 visibility signals filesystem secrets isolation admission controllers permissions init sidecar ephemeral neighbours security)
	local area begin=$SECONDS
	for area in "$@"; do
		if [[ " ${all[*]} " != *" $area "* ]]; then
			echo "by-hand: there is no area $area: ${all[*]}" >&2
			exit 3
		fi
	done
	trap clean_up EXIT
	trap 'echo "by-hand: ${BASH_SOURCE[0]##*/}, line $LINENO: $BASH_COMMAND" >&2; exit 3' ERR
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	kubectl create namespace "$namespace" >/dev/null
	# The page's pod is above Pod Security's baseline, because of SYS_PTRACE.
	kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=privileged >/dev/null
	soon 30 account
	for area in "${@:-${all[@]}}"; do
		"$area"
	done
	printf '%d pods, %d execs and attachments, %d calls of kubectl, %d s; %d checks failed\n' "$pods" \
		"$(grep -cE '^(exec|attach)$' "$folder/calls" || true)" "$(wc -l <"$folder/calls")" $((SECONDS - begin)) "$failed"
}

main "$@"
