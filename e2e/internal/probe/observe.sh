#!/bin/sh
# What one container can observe of the processes around it, in one exec.
#
#   sh -c 'S=$0; export S; exec sh -c "eval \"\$S\"" "$@"' "$(cat observe.sh)" procns-observe BOUNDARY [PATH ...]
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
#
# A node may have thousands of processes, and a fork for each of their files is what it has no time
# for: one cat, and one ls, answer for many (SUBJECT "many"). Between two files, cat prints this shell's
# own arguments, which hold BOUNDARY, so that no file can say where it ends. They are short, because the
# script is in the environment.
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

# look answers for the processes in $pids, which are never more than fit into a command line.
look() {
	files='' links='' fds=''
	for pid in $pids; do
		dir=/proc/$pid
		files="$files $dir/stat $between $dir/status $between $dir/cmdline $between $dir/environ $between"
		links="$links $dir/root $dir/cwd $dir/exe $dir/ns/pid"
		fds="$fds $dir/fd/"
	done
	# shellcheck disable=SC2086 # lists of paths without a space
	{
		answer many "files$pids" cat $files
		answer many "links$pids" ls -ld $links
		answer many "fd$pids" ls $fds
	}
	pids='' count=0
}

answer self pid echo "$$"
answer self cmdline cat /proc/$$/cmdline
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

# This shell's own arguments would end its own answer.
answer $$ process cat /proc/$$/stat /proc/$$/status
answer $$ cmdline cat /proc/$$/cmdline
answer $$ environ cat /proc/$$/environ
answer $$ links ls -ld /proc/$$/root /proc/$$/cwd /proc/$$/exe /proc/$$/ns/pid
answer $$ fd ls /proc/$$/fd/
between=/proc/$$/cmdline pids='' count=0
for dir in /proc/[0-9]*; do
	pid=${dir#/proc/}
	if [ "$pid" = $$ ]; then
		continue
	fi
	pids="$pids $pid" count=$((count + 1))
	if [ $count = 64 ]; then
		look
	fi
done
if [ $count != 0 ]; then
	look
fi
if [ $# != 0 ]; then
	for dir in /proc/[0-9]*; do
		for path in "$@"; do
			answer "${dir#/proc/}" "file $path" head -c 1048576 "$dir/root$path"
		done
	done
fi

# Without this last answer nobody could tell that processes are missing because
# the stream was cut between two answers.
answer self end true
