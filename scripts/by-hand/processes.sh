# shellcheck shell=bash
# shellcheck disable=SC2016,SC2317,SC2329 # as in by-hand.sh
# Areas of by-hand.sh: who is process 1, who sees whom, and whom a signal reaches. Source it, do not run it.

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
