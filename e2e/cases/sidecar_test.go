package cases

import (
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// stillThere has the sidecar see a container's process when it is told to end.
func stillThere(container string) breakage {
	return breakage{"container " + container + " is there when the sidecar is told to end", func(o *suite.Observation) {
		p, _ := o.Container(container).Find(withMarker(o, container))
		o.Logs["proxy"] = "process " + statLine(p.PID, p.PPID, int(p.StartTime)) + "\n" + o.Logs["proxy"]
	}}
}

// sidecarBreakages are the faults that the cases of sidecar must find.
var sidecarBreakages = map[string][]breakage{
	"sidecar/every-ordered-pair": {hidden("proxy", "one"), hidden("two", "proxy"), pidReused("one", "proxy")},
	"sidecar/one-namespace":      {namespaceOf("proxy"), namespaceOf("two")},
	"sidecar/not-pid-1": {
		{"the sidecar is PID 1", func(o *suite.Observation) {
			edit(o, "proxy", withMarker(o, "proxy"), func(p *probe.Process) { p.PID = 1 })
		}},
		{"the sidecar is a child of PID 1", func(o *suite.Observation) {
			edit(o, "proxy", withMarker(o, "proxy"), func(p *probe.Process) { p.PPID = 1 })
		}},
	},
	"sidecar/starts-first": {
		hidden("proxy", "one"),
		{"a container started before the sidecar", func(o *suite.Observation) {
			for c := range o.Before {
				edit(o, c, withMarker(o, "two"), func(p *probe.Process) { p.StartTime = 1 })
			}
		}},
		{"all started at once", func(o *suite.Observation) {
			for c := range o.Before {
				edit(o, c, func(p probe.Process) bool { return len(p.Argv) > 0 }, func(p *probe.Process) { p.StartTime = 100 })
			}
		}},
	},
	"sidecar/told-to-end-in-the-init-phase": {
		hidden("first", "second"), hidden("second", "first"), hidden("endless", "first"),
		logBreaks("first", "says nothing", func(*suite.Observation, string) string { return "" }),
		logBreaks("second", "says nothing", func(*suite.Observation, string) string { return "" }),
		logBreaks("second", "says it twice", func(_ *suite.Observation, s string) string { return s + s }),
		{"the pod stays", func(o *suite.Observation) { o.Deletion.Gone = false }},
	},
	"sidecar/sees-the-others-end": {
		stillThere("one"), stillThere("two"), hidden("proxy", "two"),
	},
}
