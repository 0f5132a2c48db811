#!/bin/sh
# What one process may do to others: it tries, and prints the kernel's answers.
#
#   sh -c "$(cat try.sh)" procns-try [NAME PID "OPERATION ..."] ...
#
# It prints one line for each thing that the rules look at ("fact"), of itself
# and of each process named, one for each operation tried ("try") with the exit
# code and the message, whose text tells EACCES from EPERM, and "end".
#
# Nothing but POSIX sh, cat, ls and /proc is used.
LC_ALL=C
export LC_ALL

# Files of /proc are read by cat and never by read: a shell's read asks for one byte
# at a time, and a file below /proc/sys says that it has ended at every place but its
# beginning (kernel/sysctl.c, proc_dointvec).
describe() {
	# shellcheck disable=SC2002 # a redirection would have read read the file itself
	cat "/proc/$2/status" | while read -r key values; do
		case $key in
		Uid: | Gid: | CapPrm: | CapEff:) printf 'fact %s %s %s\n' "$1" "$key" "$values" ;;
		esac
	done
	line=$(cat "/proc/$2/stat") && printf 'fact %s stat: %s\n' "$1" "$line"
	# Not the owner of /proc/PID itself, which tells nothing of dumpable.
	# shellcheck disable=SC2046 # the columns of ls: mode, links, user, group
	set -- "$1" $(ls -ldn "/proc/$2/environ")
	printf 'fact %s owner: %s %s\n' "$1" "$4" "$5"
}

# A redirection that fails ends the shell: open is run in one of its own.
open() {
	: <"$1"
}

try() {
	name=$1 operation=$3
	case $operation in
	kill-0) set -- kill -0 "$2" ;;
	kill-HUP) set -- kill -HUP "$2" ;;
	cmdline | status | environ) set -- cat "/proc/$2/$operation" ;;
	root | cwd | exe | fd/0) set -- ls -ldnL "/proc/$2/$operation" ;;
	fd) set -- ls "/proc/$2/fd/" ;;
	mem) set -- open "/proc/$2/mem" ;;
	esac
	message=$("$@" 2>&1 >/dev/null)
	printf 'try %s %s %s %s\n' "$name" "$operation" $? "$message"
}

describe self $$
yama=/proc/sys/kernel/yama/ptrace_scope
if [ -e "$yama" ]; then
	printf 'fact self yama: %s\n' "$(cat "$yama")"
fi
while [ $# -ge 3 ]; do
	describe "$1" "$2"
	for operation in $3; do
		try "$1" "$2" "$operation"
	done
	shift 3
done
echo end
