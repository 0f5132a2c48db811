package cases

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"procns/e2e/internal/pace"
	"procns/e2e/internal/suite"
)

// What a deleted pod leaves on its node.

func nodeCases() []suite.Case {
	return []suite.Case{{
		ID:      "lifecycle/nothing-left-on-the-node",
		Level:   suite.Extended,
		Claim:   "A deleted pod leaves no process on its node, no control group, no sandbox that is ready and no container that runs.",
		Source:  kubeletStops + "; field bugs runc#2036, runc#4040 (processes and control groups that stay, in a shared PID namespace)",
		Fixture: markers,
		NoControl: "the pod must be deleted for the claim, and then no other pod differs in one property; instead the same search runs before, " +
			"and must find all four kinds of thing",
		OwnNode: true,
		Act:     deleteAndSearch,
		Judge:   nothingLeft,
	}}
}

// searchNode prints a line for each thing of a pod's that is on the node. The
// texts to look for come through the environment: in its arguments it would find
// itself. crictl gives up after two seconds, unless told otherwise, which is not
// enough on a busy node.
const searchNode = `
for file in /proc/[0-9]*/cmdline; do
	if grep -qaF "$MARKERS" "$file" 2>/dev/null; then echo "process $file"; fi
done
` + findGroups + ` | sed 's/^/group /'
crictl --timeout 60s pods --quiet --state ready --label "io.kubernetes.pod.uid=$POD_UID" | sed 's/^/sandbox /'
crictl --timeout 60s ps --quiet --state running --label "io.kubernetes.pod.uid=$POD_UID" | sed 's/^/container /'
`

var deleteAndSearch = &suite.Act{
	Name: "delete-and-search",
	Ends: true,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		uid := podUID(pod)
		markers := strings.Join(slices.Collect(maps.Values(pod.Before().Markers)), "\n") // a pattern a line
		search := func(name string) (string, error) {
			result, err := pod.Node(ctx, name, withCRI(pod, "MARKERS="+markers, "POD_UID="+uid, "sh", "-c", searchNode)...)
			return result.Stdout, err
		}
		if _, err := search("before"); err != nil {
			return err
		}
		if err := pod.Delete(ctx, 1, comeback); err != nil {
			return err
		}
		// Nobody can be told by a node that a control group is gone.
		return pace.Persist(ctx, time.Minute, func() (bool, error) {
			found, err := search("after")
			return found == "", err
		})
	},
}

func nothingLeft(o suite.Observation) error {
	before := o.Ran["before"]
	after, searched := o.Ran["after"]
	found := func(kind string) bool { return strings.Contains("\n"+before.Stdout, "\n"+kind+" ") }
	// Under a kernel of the sandbox's own, the node has no process of the containers': of
	// the other three, what is left is told all the same.
	hidden := ""
	if !found("process") {
		hidden = ownKernel(o, "one")
	}
	for _, kind := range []string{"process", "group", "sandbox", "container"} {
		if !found(kind) && (kind != "process" || hidden == "") {
			return suite.CannotTell("a "+kind+" of the pod on its node before it is deleted", before.String())
		}
	}
	if o.Deletion == nil || !o.Deletion.Gone {
		return suite.CannotTell("the pod is deleted", fmt.Sprintf("%+v", o.Deletion))
	}
	if !searched || !after.Ran() || after.Code != 0 || strings.TrimSpace(after.Stderr) != "" {
		return suite.CannotTell("a search of the node after the deletion", after.String())
	}
	if after.Stdout != "" {
		return suite.Violation("nothing of the deleted pod on its node", "there is still:\n"+after.Stdout)
	}
	if hidden != "" {
		return suite.Inapplicable("the node has the pod's processes while it runs", hidden+"; of its control groups, sandbox and containers nothing is left", o.Container("one"))
	}
	return nil
}
