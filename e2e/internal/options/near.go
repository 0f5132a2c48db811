package options

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// calledElsewhere are what other tools call the things that these flags are for.
var calledElsewhere = map[string]string{
	"focus": "run", "filter": "run", "only": "run", "select": "run", "case": "run", "cases": "run", "test": "run", "tests": "run",
	"exclude": "skip", "ignore": "skip", "except": "skip",
	"verbose": "v", "debug": "v", "trace": "v", "silent": "quiet", "q": "quiet",
	"output": "o", "format": "o", "color": "progress", "colour": "progress",
	"kube-context": "context", "cluster": "context",
	"node": "nodes", "selector": "nodes", "node-selector": "nodes", "toleration": "tolerate", "tolerations": "tolerate",
	"artifacts": "report-dir", "output-dir": "report-dir", "out": "report-dir", "junit": "report-dir", "report": "report-dir",
	"jobs": "parallel", "j": "parallel", "p": "parallel", "concurrency": "parallel", "workers": "parallel",
	"bail": "fail-fast", "x": "fail-fast", "check": "dry-run", "plan": "dry-run", "delete": "cleanup", "clean": "cleanup",
	"destroy": "down", "rbac": "print-rbac", "images": "list-images", "settings": "config", "file": "config",
}

// Near returns the names that somebody who wrote this may have meant, the likeliest
// first, three at most: those that it is a slip of, or a part of.
func Near(names []string, written string) []string {
	type candidate struct {
		name  string
		score float64
	}
	const likely, asLikely = 0.5, 0.15
	var all []candidate
	for _, name := range names {
		if s := likeness(name, written); s >= likely {
			all = append(all, candidate{name, s})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	var near []string
	for _, c := range all[:min(3, len(all))] {
		if c.score >= all[0].score-asLikely {
			near = append(near, c.name)
		}
	}
	return near
}

// nearText is what an error says of the nearest names: nothing where none is near.
func nearText(near []string, before string) string {
	if len(near) == 0 {
		return ""
	}
	return "; near: " + before + strings.Join(near, ", "+before)
}

// nearFlags is nearText of flags, of which some are known by other names.
func nearFlags(names []string, written, before string) string {
	near := Near(names, written)
	known := slices.Sorted(maps.Keys(calledElsewhere))
	elsewhere := calledElsewhere[strings.ToLower(written)]
	if slips := Near(known, written); elsewhere == "" && len(near) == 0 && len(slips) > 0 {
		elsewhere = calledElsewhere[slips[0]]
	}
	if slices.Contains(names, elsewhere) {
		near = []string{elsewhere}
	}
	return nearText(near, before)
}

// likeness tells how much a name is like what was written, from 0 to 1. Of a name in
// two parts, as case IDs are, the second may be meant alone.
func likeness(name, written string) float64 {
	plain := strings.NewReplacer("-", "", "_", "", "*", "")
	w := plain.Replace(strings.ToLower(written))
	var best float64
	for _, form := range []string{name, name[strings.Index(name, "/")+1:]} {
		n := plain.Replace(strings.ToLower(form))
		longest := max(len(n), len(w))
		if longest == 0 {
			continue
		}
		best = max(best, 1-float64(slips(n, w))/float64(longest))
		const part = 3 // letters: shorter ones are in everything
		if len(w) >= part && strings.Contains(n, w) {
			best = max(best, 0.5+0.5*float64(len(w))/float64(len(n)))
		}
	}
	return best
}

// slips is how many letters have to be put in, left out, replaced, or exchanged with
// their neighbour, to make one word the other.
func slips(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range len(b) {
		rows[0][j+1] = j + 1
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			other := 1
			if a[i-1] == b[j-1] {
				other = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+other)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
