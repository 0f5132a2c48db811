# shellcheck shell=bash
# shellcheck disable=SC2016,SC2317,SC2329 # as in by-hand.sh
# Areas of by-hand.sh: whose files, environment and processes a container may reach. Source it, do not run it.

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
