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
# Needs kubectl; its tools are in by-hand-lib.sh. Reads KUBECONFIG, NODE (the pods' node; default: wherever
# the scheduler puts them), and NGINX_IMAGE, BUSYBOX_IMAGE, BUSYBOX_1_28_IMAGE and PAUSE_IMAGE (default:
# those of fixtures/images/workloads.txt). Creates one namespace, and deletes it. Exits with 0 if all is as
# the page says, with 1 if something is not, and with another code if it could not go on.
# shellcheck source=scripts/by-hand-lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/by-hand-lib.sh"

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
# The other sentences, area by area
#

pid1() {
	local own
	# A pod of one container.
	apply lookout
	ready lookout
	own=$(of lookout lookout lookout)
	expect pid1/single-container differ "$own" 1
	expect pid1/single-container hides "$(processes lookout lookout)" "^1 .*$(marker lookout)"
	remove pod/lookout

	# An image that demands to be process 1, as systemd does.
	apply demands-pid1
	expect pid1/demanding-image-refuses k wait --for=jsonpath='{.status.phase}'=Failed pod/demands-pid1 --timeout=180s
	expect pid1/demanding-image-refuses says "$(k logs demands-pid1)" '^must be run as PID 1'
	remove pod/demands-pid1
}

visibility() {
	local list a b numbers='one two three four five six seven eight nine ten'
	apply markers
	ready markers
	for a in one two three; do
		list=$(processes markers "$a")
		for b in one two three; do
			expect visibility/every-ordered-pair says "$list" "$(marker "$b")"
		done
		expect visibility/one-namespace same "$(namespace_of markers "$a")" "$(namespace_of markers one)"
		expect pid1/no-container-is differ "$(pid "$(marker "$a")" <<<"$list")" 1
	done
	apply lookout
	ready lookout
	expect visibility/not-across-pods hides "$(processes lookout lookout)" "$(marker one)"
	expect visibility/not-across-pods differ "$(namespace_of lookout lookout)" "$(namespace_of markers one)"
	remove pod/lookout
	remove pod/markers

	apply crowd
	ready crowd
	for a in $numbers; do
		list=$(processes crowd "$a")
		for b in $numbers; do
			expect visibility/ten-containers says "$list" "$(marker "$b")"
		done
		expect visibility/ten-containers same "$(namespace_of crowd "$a")" "$(namespace_of crowd one)"
	done
	remove pod/crowd
}

signals() {
	local name receiver master bare list
	# Each signal reaches the handler of the other container's process once.
	apply signals
	ready signals
	receiver=$(of signals sender by-exec)
	for name in HUP INT USR1 USR2 TERM WINCH; do
		inside signals sender kill "-$name" "$receiver"
		expect signals/from-exec soon 30 received "$name"
	done
	remove pod/signals

	# A sidecar rotates nginx's log.
	apply log-rotation
	ready log-rotation
	requests 5
	master=$(processes log-rotation sidecar | pid 'nginx: master')
	inside log-rotation sidecar mv /logs/access.log /logs/access.log.1
	inside log-rotation sidecar kill -USR1 "$master"
	expect signals/log-rotation soon 30 inside log-rotation sidecar test -e /logs/access.log
	requests 5
	expect signals/log-rotation soon 30 logged 10
	remove pod/log-rotation

	# An image without a shell: it is looked at, and ended, from another container.
	apply shell-less
	ready shell-less
	bare=$(of shell-less shell bare)
	list=$(inside shell-less shell ls "/proc/$bare/root/")
	expect filesystem/image-without-shell says "$list" '^pause$'
	inside shell-less shell kill -TERM "$bare"
	expect signals/image-without-shell soon 60 restarted shell-less '1 0'
	remove pod/shell-less
}

# received SIGNAL tells whether the receiver has written a signal down, exactly once.
received() { [[ $(inside signals by-exec cat /tmp/received | grep -cx "$(marker by-exec) $1") == 1 ]]; }

# requests COUNT asks nginx so often, and logged COUNT tells whether the logs have so many lines.
requests() { inside log-rotation sidecar sh -c "for i in \$(seq $1); do wget -q -O /dev/null http://127.0.0.1/; done"; }
logged() { [[ $(inside log-rotation sidecar sh -c 'cat /logs/*' | wc -l) -eq $1 ]]; }

# restarted POD COUNTS tells whether its containers have restarted so often.
restarted() { [[ $(restarts "$1") == "$2" ]]; }

filesystem() {
	local app root
	apply files
	ready files
	app=$(of files shell app)
	root=/proc/$app/root
	expect filesystem/writable-layer same "$(inside files shell cat "$root/written-at-runtime")" "$(marker layer)"
	expect filesystem/emptydir same "$(inside files shell cat "$root/scratch/file")" "$(marker scratch)"
	expect filesystem/mounted-secret same "$(inside files shell cat "$root/secret/password")" "$(marker secret)"
	expect filesystem/service-account-token same "$(inside files shell sha256sum "$root/token/token" | cut -d' ' -f1)" \
		"$(inside files app sha256sum /token/token | cut -d' ' -f1)"
	remove pod/files
}

secrets() {
	local app container
	apply secrets
	ready secrets
	app=$(of secrets page argument)
	for container in same other page opener; do
		expect secrets/argument-readable-by-any-user says "$(processes secrets "$container")" "^$app .*--password=$(marker argument)"
	done
	for container in same page; do
		expect secrets/environment-readable says "$(environment "$container" "$app")" "^PASSWORD=$(marker environment)$"
		expect secrets/file-readable-by-its-user same "$(inside secrets "$container" cat "/proc/$app/root/data/private")" "$(marker private)"
	done
	expect secrets/environment-guarded denied inside secrets other cat "/proc/$app/environ"
	# The opener may enter, and is held by the files' modes.
	expect secrets/file-guarded-by-mode denied inside secrets opener cat "/proc/$app/root/data/private"
	expect secrets/file-guarded-by-mode same "$(inside secrets opener cat "/proc/$app/root/data/readable")" "$(marker readable)"
	expect secrets/mounted-secret-guarded-by-mode denied inside secrets same cat "/proc/$app/root/mounted/closed"
	expect secrets/mounted-secret-guarded-by-mode same "$(inside secrets same cat "/proc/$app/root/mounted/open")" "$(marker open)"
	remove pod/secrets
}

# environment CONTAINER PID prints a process's environment, a variable a line.
environment() { inside secrets "$1" cat "/proc/$2/environ" | tr '\0' '\n'; }

isolation() {
	local file id a list
	for file in markers-isolated markers-false; do
		id=isolation/field-absent
		[[ $file == markers-isolated ]] || id=isolation/field-false
		apply "$file"
		if [[ $file == markers-false ]]; then
			expect admission/false-is-kept same "$(field pod/markers)" false
		else
			expect admission/absent-stays-absent test -z "$(field pod/markers)"
		fi
		ready markers
		for a in one two three; do
			list=$(processes markers "$a")
			expect "$id" says "$list" "^1 .*$(marker "$a")"
			expect "$id" hides "$(grep -v "$(marker "$a")" <<<"$list" || true)" "$(marker '')"
		done
		remove pod/markers
	done
}

admission() {
	local kind text='ShareProcessNamespace and HostPID cannot both be enabled'
	# One refusal, of which the page of the field tells on both fields' side.
	expect admission/host-pid-excludes-sharing refused "$text" dry_run <<<"$(manifest admission-both)"
	expect admission/sharing-excludes-host-pid refused "$text" dry_run <<<"$(manifest admission-both)"
	for kind in Deployment ReplicaSet StatefulSet DaemonSet Job CronJob; do
		expect admission/templates-exclude-host-pid refused "$text" dry_run <<<"$(template "$kind")"
	done
	expect admission/text-is-refused refused shareProcessNamespace dry_run <<<"$(manifest markers | sed 's/shareProcessNamespace: true/shareProcessNamespace: "true"/')"
	expect admission/number-is-refused refused shareProcessNamespace dry_run <<<"$(manifest markers | sed 's/shareProcessNamespace: true/shareProcessNamespace: 1/')"
}

# dry_run has the server admit what is on standard input, and store nothing.
dry_run() { k create --dry-run=server -f -; }

# template KIND prints a workload whose pods would be in the node's PID namespace and share one of their own.
template() {
	local pod="{restartPolicy: Always, hostPID: true, shareProcessNamespace: true, containers: [{name: one, image: '$BUSYBOX_IMAGE'}]}"
	local api=apps/v1 spec="{selector: {matchLabels: {app: both}}, serviceName: both, template: {metadata: {labels: {app: both}}, spec: $pod}}"
	case $1 in
	Deployment | ReplicaSet | DaemonSet) spec=${spec/serviceName: both, /} ;;
	Job | CronJob)
		api=batch/v1
		spec="{template: {spec: ${pod/Always/Never}}}"
		;;
	esac
	if [[ $1 == CronJob ]]; then
		spec="{schedule: '0 0 1 1 *', jobTemplate: {spec: $spec}}"
	fi
	printf 'apiVersion: %s\nkind: %s\nmetadata: {name: both}\nspec: %s\n' "$api" "$1" "$spec"
}

controllers() {
	local kind selector
	for kind in deployment replicaset statefulset daemonset job; do
		selector=app=$kind
		[[ $kind != job ]] || selector=job-name=job
		apply "controllers-$kind"
		soon 60 made "$selector"
		k wait --for=condition=Ready pod --selector "$selector" --timeout=180s >/dev/null
		expect "controllers/$kind-shares" same "$(k get pods --selector "$selector" -o jsonpath='{.items[0].spec.shareProcessNamespace}')" true
		expect "controllers/$kind-shares" same "$(namespace_of "$kind/$kind" one)" "$(namespace_of "$kind/$kind" two)"
		remove "$kind/$kind"
	done
	manifest controllers-cronjob | k apply -f - >/dev/null # it is not due, and makes no pod
	expect controllers/cronjob-keeps-the-field same "$(field cronjob/cronjob .jobTemplate.spec.template.spec)" true
	remove cronjob/cronjob
}

# made SELECTOR tells whether a controller has made its pod.
made() { [[ -n $(k get pods --selector "$1" -o name) ]]; }

permissions() {
	local container
	apply permissions
	ready permissions
	for container in nginx changed sibling page root fewer none ptrace other worker-user; do
		expect permissions/cmdline-and-status-open-to-all inside permissions "$container" sh -c \
			'for p in /proc/[0-9]*; do cat "$p/cmdline" "$p/status" >/dev/null || exit 1; done'
	done
	# Nothing is printed where each process of another user refuses all, and its own none.
	expect permissions/other-user-refused test -z "$(inside permissions other sh -c '
		for p in /proc/[0-9]*; do
			for what in environ root/ cwd/ exe fd/; do
				case $what in
				*/) said=$(ls "$p/$what" 2>&1 >/dev/null) ;;
				*) said=$(cat "$p/$what" 2>&1 >/dev/null) ;;
				esac
				if [ "$(stat -c %u "$p")" = 2000 ]; then
					case $said in *"Permission denied"*) echo "own $p/$what: $said" ;; esac
				else
					case $said in *"Permission denied"*) ;; *) echo "$p/$what: $said" ;; esac
				fi
			done
		done')"
	remove pod/permissions
}

init() {
	local name own
	apply init
	ready init
	own=$(namespace_of init main)
	for name in first second; do
		expect init/one-namespace says "$(inside init main cat "/seen/$name")" "^namespace ${own//[\[\]]/.}$"
		expect init/not-pid-1 says "$(inside init main cat "/seen/$name")" '^self ([2-9]|[1-9][0-9]+) '
	done
	remove pod/init
}

sidecar() {
	local a b list
	apply sidecar
	ready sidecar
	for a in proxy one two; do
		list=$(processes sidecar "$a")
		for b in proxy one two; do
			expect sidecar/every-ordered-pair says "$list" "$(marker "$b")"
		done
		expect sidecar/one-namespace same "$(namespace_of sidecar "$a")" "$(namespace_of sidecar proxy)"
		expect sidecar/not-pid-1 differ "$(pid "$(marker "$a")" <<<"$list")" 1
	done
	remove pod/sidecar
}

ephemeral() {
	local list a
	# A new pod may have no ephemeral containers: kubectl debug adds one.
	manifest ephemeral | sed '/^  ephemeralContainers:/,$d' | k apply -f - >/dev/null
	pods=$((pods + 1))
	ready ephemeral
	k debug ephemeral --profile=general --image="$BUSYBOX_IMAGE" --image-pull-policy=IfNotPresent --container=debugger -- \
		sh -c 'while :; do sleep 3600; done' "$(marker debugger)" >/dev/null
	soon 60 debugging
	list=$(processes ephemeral debugger)
	expect ephemeral/every-ordered-pair says "$list" 'nginx: master' "$(marker app)" "$(marker debugger)"
	for a in nginx app; do
		expect ephemeral/every-ordered-pair says "$(processes ephemeral "$a")" "$(marker debugger)"
	done
	expect ephemeral/not-pid-1 differ "$(pid "$(marker debugger)" <<<"$list")" 1
	expect ephemeral/not-pid-1 same "$(namespace_of ephemeral debugger)" "$(namespace_of ephemeral app)"
	remove pod/ephemeral
}

# debugging tells whether the ephemeral container runs.
debugging() { [[ -n $(k get pod ephemeral -o jsonpath='{.status.ephemeralContainerStatuses[0].state.running.startedAt}') ]]; }

neighbours() {
	local list
	# A pod that shares, beside one that does not. Whatever it sees is process 1, its own, or the look itself.
	apply markers-isolated
	apply lookout
	ready markers
	ready lookout
	list=$(processes lookout lookout)
	expect neighbours/nothing-of-the-node hides "$(grep -vE "^1 |$(marker lookout)| sleep 3600 *$| sh -c for p in /proc|^[0-9]+ *$" <<<"$list" || true)" .
	expect neighbours/sharing-beside-isolated hides "$list" "$(marker one)" "$(marker two)" "$(marker three)"
	remove pod/lookout
	remove pod/markers

	# And the other way round.
	apply markers
	apply lookout-isolated
	ready markers
	ready lookout
	expect neighbours/isolated-beside-sharing hides "$(processes lookout lookout)" "$(marker one)" "$(marker two)" "$(marker three)"
	remove pod/lookout
	remove pod/markers
}

security() {
	local from to target list
	# Two users, who see each other's arguments and no more.
	apply restricted-two-users
	ready restricted
	for from in one two; do
		to=one
		[[ $from == two ]] || to=two
		list=$(processes restricted "$from")
		expect security/two-users-denied says "$list" "$(marker "$to")"
		target=$(pid "$(marker "$to")" <<<"$list")
		expect security/two-users-denied denied inside restricted "$from" cat "/proc/$target/environ"
		expect security/two-users-denied denied inside restricted "$from" cat "/proc/$target/root/tmp/file"
		expect security/two-users-denied denied inside restricted "$from" kill -USR1 "$target"
	done
	remove pod/restricted
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
	trap 'echo "by-hand: line $LINENO: $BASH_COMMAND" >&2; exit 3' ERR
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
