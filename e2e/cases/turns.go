package cases

import (
	"slices"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/suite"
)

// On which changes of its pods by the cluster a claim turns: by area, for what its
// cases do not say themselves. Whatever is named nowhere is as
// difference.Class.Harmless says.

// beside are claims that can be judged beside a container, or an init container,
// that the cluster added: they are about processes which they know by a marker or by
// their program.
var beside = []difference.Class{difference.ContainerAdded, difference.InitContainerAdded}

// ofWorkloads is what else decides how many pods a workload makes, and when it counts them.
var ofWorkloads = append([]difference.Class{difference.WorkloadSettings}, beside...)

// turnsOfArea are the areas' own.
var turnsOfArea = map[string]suite.Turns{
	"version":     {Kept: true, Answered: true},
	"admission":   {Kept: true, Answered: true, NotOn: beside},
	"controllers": {Kept: true, NotOn: ofWorkloads},
	"walkthrough": {NotOn: beside},
	"pid1":        {NotOn: beside, Capabilities: []string{"KILL"}},
	"visibility":  {NotOn: beside},
	"signals":     {NotOn: beside},
	"filesystem":  {NotOn: beside},
	"secrets":     {NotOn: beside, Capabilities: []string{"DAC_OVERRIDE"}},
	"isolation":   {NotOn: beside},
	"permissions": {NotOn: beside, Capabilities: byRule},
	"ephemeral":   {NotOn: beside},
	"debug":       {NotOn: beside},
	"neighbours":  {NotOn: beside},
	"security": {
		NotOn: beside,
		On:    []difference.Class{difference.PrivilegeEscalation, difference.SeccompDefault, difference.AppArmorDefault},
	},
	// Theirs are all of a pod's processes and containers, from their start to their end.
	"lifecycle":  {On: ends, Capabilities: []string{"KILL"}},
	"reaping":    {},
	"init":       {},
	"sidecar":    {},
	"stress":     {On: ends},
	"disruption": {},
	"upgrade":    {},
}

// rollouts are what decides when a Deployment's pods count, and how many there are.
var rollouts = []difference.Class{difference.WorkloadSettings, difference.ReadinessGates}

// ends are what else decides how containers end: memory, and what holds a deletion up.
var ends = []difference.Class{difference.ResourcesChanged, difference.Finalizers}

// byRule are the capabilities by which the kernel's rules let one process act on
// another, and those that the manifests drop to see it.
var byRule = []string{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "SYS_PTRACE"}

// ofAPI are the classes that decide claims about what the API server does with a
// manifest: nothing runs for them.
var ofAPI = []difference.Class{
	difference.Field, difference.HostNamespaces, difference.System, difference.CapabilitiesAsked, difference.Privileges, difference.Unknown,
}

// withTurns fills in what the cases do not say.
func withTurns(cases []suite.Case) []suite.Case {
	for i, c := range cases {
		turns := turnsOfArea[c.Area()]
		if c.Submit != suite.Runs {
			turns = suite.Turns{Kept: turns.Kept, Answered: true}
			for _, class := range difference.Classes {
				if !slices.Contains(ofAPI, class) {
					turns.NotOn = append(turns.NotOn, class)
				}
			}
		}
		cases[i].Turns = c.Turns.With(turns)
	}
	return cases
}
