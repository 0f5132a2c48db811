# shellcheck shell=bash
# Steps, process groups, temporary folders, locks, and how a script ends. Part of lib.sh, which sources it.

TEMP=    # see make_temp
CHILD=   # see in_group
PROGRAM= # see run_program
LOCK=    # see lock

# step TEXT COMMAND... runs the command with its output in a log file and says how long it took.
# On a terminal the line that announced the step is rewritten, elsewhere a second line follows.
# Do not call it behind `if`, `!`, `&&` or `||`: bash switches `set -e` off for all that runs there.
# Nor in another step: an interruption would end the outer one only.
step() {
	local text="$1" log begin=$SECONDS code
	shift
	log="$CACHE/logs/$(tr -cs 'A-Za-z0-9.\n' '-' <<<"$text").log"
	if [[ -t 2 ]]; then
		printf '==> %s … ' "$text" >&2
	else
		printf '==> %s …\n' "$text" >&2
	fi
	set +e
	in_group "$@" >"$log" 2>&1 </dev/null
	code=$?
	set -e
	if ((code != 0)); then
		step_failed "$text" "$log" "$code" $((SECONDS - begin))
	fi
	if [[ -t 2 ]]; then
		printf '\r' >&2
	fi
	printf '==> %s … %ds\n' "$text" $((SECONDS - begin)) >&2
}

# in_group runs a command in a process group of its own and waits for it, so that an interruption
# is noticed at once (bash handles signals while it is in `wait`, but not before the end of a
# command in the foreground) and can end the command with everything that it started.
in_group() {
	local code=0
	set -m
	(
		set -e
		# A process that outlives its step must not keep the lock.
		if [[ -n $LOCK ]]; then
			exec {LOCK}>&-
		fi
		"$@"
	) &
	CHILD=$!
	set +m
	wait "$CHILD" || code=$?
	end_group
	return "$code"
}

# end_group ends what is left of the group: normally nothing, after a failure perhaps a daemon, and
# all of it after an interruption. It returns when nothing of it can write anywhere any more.
end_group() {
	local group="$CHILD" i
	CHILD=
	for i in TERM KILL; do
		kill "-$i" -- "-$group" 2>/dev/null || return 0
		if group_ends "$group"; then
			return 0 # in a trap, a bare return has the status from before it
		fi
	done
}

# group_ends waits for the last process of a group, up to five seconds of real time: the time that
# a program has to tidy up after itself.
group_ends() {
	local i
	for ((i = 0; i < 50; i++)); do
		kill -0 -- "-$1" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

step_failed() {
	local text="$1" log="$2" code="$3" seconds="$4"
	printf '\n' >&2
	tail -n 20 "$log" | sed 's/^/    /' >&2
	die "$text failed after ${seconds}s (exit status $code); the whole log is in $log"
}

# run_program COMMAND... runs a program that tidies up after itself, and waits for it: in the background,
# because bash handles signals while it waits, and not before the end of a command in the foreground.
run_program() {
	local code=0
	"$@" &
	PROGRAM=$!
	wait "$PROGRAM" || code=$?
	PROGRAM=
	return "$code"
}

# end_program asks that program to end, if one runs, waits until it has, and returns its exit code.
end_program() {
	if [[ -z $PROGRAM ]]; then
		return 0 # in a trap, a bare return has the status from before it
	fi
	kill -TERM "$PROGRAM" 2>/dev/null || true
	wait "$PROGRAM"
}

# on_exit FUNCTION has a function called when the script ends, also by a signal, with the usual exit codes.
on_exit() {
	# shellcheck disable=SC2064 # this function
	trap "$1" EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# make_temp sets TEMP to a new folder that vanishes with the script, however that ends. A script
# that was killed outright could not tidy up: the next one does, by the process number in the name.
make_temp() {
	local folder owner
	on_exit clean_up
	for folder in "$CACHE"/temp/*; do
		owner="${folder##*/}"
		if [[ -d $folder && ! -d /proc/${owner%%.*} ]]; then
			rm -rf --one-file-system "$folder"
		fi
	done
	TEMP="$(mktemp -d "$CACHE/temp/$$.XXXXXX")"
}

clean_up() {
	trap '' HUP INT TERM
	if [[ -n $CHILD ]]; then
		end_group
	fi
	if [[ -n $TEMP ]]; then
		rm -rf --one-file-system "$TEMP"
	fi
}

# lock NAME waits until no other process holds the lock of that name, and holds it until this
# script ends. The kernel releases it, even if the script is killed.
lock() {
	exec {LOCK}>"$CACHE/$1.lock"
	if ! flock --nonblock "$LOCK"; then
		say "another run is at work on $1: waiting for it"
		flock "$LOCK"
	fi
}

# retry ATTEMPTS COMMAND... is for what cannot be watched: an API server that starts.
retry() {
	local left=$1
	shift
	until "$@"; do
		((--left > 0)) || return 1
		sleep 2 # between two attempts to reach it
	done
}

# worse CODE keeps the worst code in WORST, which the caller sets to 0 at first: what is wrong outweighs a failed set-up, and that what is unclear.
worse() {
	local order=(0 2 3 1) i have=0 new=3
	for i in "${!order[@]}"; do
		if ((order[i] == WORST)); then have=$i; fi
		if ((order[i] == $1)); then new=$i; fi
	done
	if ((new > have)); then
		WORST=$1
	fi
}
