#!/bin/sh
# What one container can observe of the processes around it, in one exec.
#
#   sh -c "$(cat observe.sh)" procns-observe BOUNDARY [PATH ...]
#
# Nothing but POSIX sh, cat, head, ls and /proc is used, so that it runs in
# nginx's image and in busybox alike; grep only where there is one. Each answer is framed on both streams,
# and closed with its exit code, so that contents keep their exact bytes and
# an error keeps its errno's text:
#
#   \nBOUNDARY SUBJECT FIELD\n   content or message   \nBOUNDARY = CODE\n
#
# BOUNDARY is random for each exec. It stands in this process's own arguments,
# where NUL bytes surround it: a line never begins with it.
LC_ALL=C
export LC_ALL
boundary=$1
shift

answer() {
	printf '\n%s %s %s\n' "$boundary" "$1" "$2"
	printf '\n%s %s %s\n' "$boundary" "$1" "$2" >&2
	shift 2
	"$@"
	code=$?
	printf '\n%s = %s\n' "$boundary" "$code"
	printf '\n%s = %s\n' "$boundary" "$code" >&2
}

answer self pid echo "$$"
answer self namespaces ls -ld /proc/$$/ns/pid /proc/$$/ns/net /proc/$$/ns/ipc /proc/$$/ns/uts /proc/$$/ns/mnt /proc/$$/ns/user
answer self label cat /proc/$$/attr/current
answer self label_of_pid1 cat /proc/1/attr/current
answer self uid_map cat /proc/$$/uid_map
answer self mounts cat /proc/$$/mounts
answer self kernel cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/osrelease
answer self boot_time grep '^btime ' /proc/stat
for path in "$@"; do
	answer self "file $path" head -c 1048576 "$path"
done

for dir in /proc/[0-9]*; do
	pid=${dir#/proc/}
	answer "$pid" process cat "$dir/stat" "$dir/status"
	answer "$pid" cmdline cat "$dir/cmdline"
	answer "$pid" environ cat "$dir/environ"
	answer "$pid" links ls -ld "$dir/root" "$dir/cwd" "$dir/exe" "$dir/ns/pid"
	answer "$pid" fd ls "$dir/fd/"
	for path in "$@"; do
		answer "$pid" "file $path" head -c 1048576 "$dir/root$path"
	done
done

# Without this last answer nobody could tell that processes are missing because
# the stream was cut between two answers.
answer self end true
