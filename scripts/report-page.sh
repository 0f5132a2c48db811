#!/usr/bin/env bash
# Tries report.html in a real headless Chromium: no error on its console, nothing asked of the
# network, filters, keyboard, what a screen reader is told, light and dark, print, without JavaScript,
# and that hostile text in a report stays text. Pictures are kept in _artifacts/page-…
#
#     scripts/report-page.sh
#     REPORTS=a/report.json:b/report.json scripts/report-page.sh      their pages as well
#
# CHROMIUM names the program; without it chromium, chromium-browser or google-chrome is taken, or
# installed from Debian's packages.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

# browser prints the path of the program that is named, or else of the first that there is.
browser() {
	local name
	if [[ ${CHROMIUM:-} ]]; then
		command -v "$CHROMIUM" || die "CHROMIUM names $CHROMIUM, which is not there"
		return
	fi
	for name in chromium chromium-browser google-chrome; do
		if command -v "$name"; then
			return
		fi
	done
	return 1
}

require_go
if ! chromium=$(browser); then
	[[ ! ${CHROMIUM:-} ]] || exit 3
	require_packages chromium >&2
	chromium=$(browser) || die "there is no Chromium: install one, or name it by CHROMIUM"
fi
folder=$ROOT/_artifacts/page-$(date +%Y%m%d-%H%M%S)
mkdir -p "$folder"
reports=
IFS=: read -ra named <<<"${REPORTS:-}"
for file in "${named[@]}"; do
	reports+=${reports:+:}$(realpath -e "$file")
done
say "$("$chromium" --version 2>/dev/null || echo "$chromium"); pictures: $folder"
PROCNS_CHROMIUM=$chromium PROCNS_SHOTS=$folder PROCNS_REPORTS=$reports \
	scripts/go.sh test -count=1 -timeout 30m -v -run 'InBrowser$' ./e2e/internal/page 2>&1 | tee "$folder/page.log"
