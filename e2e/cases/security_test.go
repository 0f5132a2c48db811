package cases

import (
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// securityBreakages are the faults that the cases of security must find.
var securityBreakages = map[string][]breakage{
	"security/read-only-root-filesystem": {
		hidden("shell", "sealed"),
		ranOtherwise("write-sealed", 0, "", ""),
		ranOtherwise("write-sealed", 1, "", "sh: can't create /proc/9/root/from-sibling: Permission denied"),
		{"the file is there nevertheless", func(o *suite.Observation) {
			o.After["sealed"].Files[fromSibling] = probe.Access{Text: o.Markers["sibling"]}
		}},
	},
}
