package cases

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// What a pod's limit of PIDs means where its containers share: one of them can take
// all PIDs, and a sibling can give them back.

func limitCases() []suite.Case {
	return []suite.Case{{
		ID:    "reaping/pids-limit",
		Level: suite.Extended,
		Claim: "Once one container has used up the pod's limit of PIDs, it and its sibling are refused further processes with EAGAIN; " +
			"the sibling sees what uses them up, kills it, and can start processes again, because PID 1 reaps.",
		Source:       "Kubernetes documentation, “Process ID Limits And Reservations”, Pod PID limits; fork(2) (EAGAIN); the kernel's cgroups, pids controller; " + kep495 + " (the infrastructure container reaps)",
		Fixture:      "pids-limit.yaml",
		Control:      "pids-limit-isolated.yaml",
		OwnNode:      true,
		Precondition: hoarderWaits,
		Read:         []string{hoarderGroup},
		Act:          exhaustLimit,
		Judge:        limitIsThePods,
		Records:      "the limit that kubelet had set",
		Record: func(o suite.Observation) string {
			return "kubelet's limit of PIDs for the pod: " + strings.TrimSpace(o.Ran["limit"].Stdout)
		},
	}}
}

// hoarderGroup is the file with the process group that the hoarder's processes will be in.
const hoarderGroup = "/shared/group"

// hoarderWaits is the precondition that the hoarder can be told to begin.
func hoarderWaits(o suite.Observation) error {
	if group := o.Container("hoarder").Files[hoarderGroup]; !group.OK() || group.Text == "" {
		return suite.CannotTell("the hoarder waits to be told", describeAccess(group), o.Container("hoarder"))
	}
	return nil
}

// lowLimit takes the place of kubelet's limit for this one pod: what counts, and
// for whom, is the same with few processes, and the node has enough PIDs for all.
const lowLimit = 100

// roomLeft is how many processes less than its limit a full pod may have, and how
// many more than before the tries leave in it: as many as one try starts.
const roomLeft = 10

// lowerLimit prints the limit of a pod's control group, and sets a lower one.
const lowerLimit = `
for group in $(` + findGroups + `); do
	[ -e "$group/pids.max" ] || continue
	cat "$group/pids.max" || exit
	echo "$1" >"$group/pids.max" || exit
done
`

// exhaust has the hoarder fill the pod, tries to start processes, kills the
// hoarder's, and tries again. From when the hoarder begins, nothing is done but
// what a shell can do without starting a process, a wait of a second included
// (read -t): both tries were started before, and wait for their turn. The shell that
// the hoarder's refusal ended left room for a process: ten are tried. The FIFOs are the
// sibling's own, and it holds both ends: nothing waits while one opens. Where the
// sibling has a namespace of its own, kill finds nobody by the group's number: the
// hoarder got it among the first of its container, and what the sibling ran first is over.
const exhaust = `
mkfifo /tmp/full /tmp/freed /tmp/never || exit
exec 7<>/tmp/full 8<>/tmp/freed 9<>/tmp/never
# try begins once it is told to, on its input.
try() {
	read -r go
	for process in 1 2 3 4 5 6 7 8 9 10; do
		(read -r never <&9) &
	done
}
# conclude NAME PID lets a try begin, and prints how it ended.
conclude() {
	echo go >"/tmp/$1"
	wait "$2"
	code=$?
	refusal=
	read -r refusal <"/tmp/$1-refused"
	echo "$1 $code $refusal"
}
# Whatever holds the session's output keeps it from ending.
(try) <&7 >/dev/null 2>/tmp/full-refused &
full=$!
(try) <&8 >/dev/null 2>/tmp/freed-refused &
freed=$!
read -r group <"$1"

echo go >/shared/fill
until { read -r hoarder made refusal </shared/full; } 2>/dev/null; do
	read -r -t 1 never <&9
done
echo "hoarder $hoarder $made $refusal"
set -- /proc/[0-9]*
seen=$#
echo "seen $seen"

conclude full "$full"

kill -KILL "-$group"
echo "kill $?"
# Reaping takes no time to speak of; a minute is for a node that is busy with
# something else.
n=0
while set -- /proc/[0-9]* && [ "$seen" -ge "$made" ] && [ "$#" -gt "$((seen - made + 10))" ] && [ "$n" -lt 60 ]; do
	read -r -t 1 never <&9
	n=$((n + 1))
done
echo "left $#"

conclude freed "$freed"
`

// exhaustLimit ends the pod: where its PIDs are not given back, nothing can be run in it.
var exhaustLimit = &suite.Act{
	Name: "exhaust-limit",
	Ends: true, ExecWithin: 2 * comeback,
	Do: func(ctx context.Context, pod suite.PodClient) error {
		lower := func(name string) error {
			_, err := pod.Node(ctx, name, "env", "POD_UID="+podUID(pod), "sh", "-c", lowerLimit, "limit", strconv.Itoa(lowLimit))
			return err
		}
		if _, err := pod.Node(ctx, "configured", "sed", "-n", "s/^podPidsLimit: *//p", "/var/lib/kubelet/config.yaml"); err != nil {
			return err
		}
		if err := lower("limit"); err != nil {
			return err
		}
		// A hoarder that has ended is waited for without end.
		running, end := context.WithTimeout(ctx, comeback)
		defer end()
		if _, err := pod.Exec(running, "exhaust", "sibling", "sh", "-c", exhaust, "exhaust", hoarderGroup); err != nil {
			return err
		}
		return lower("limit-after")
	},
}

// exhausted is what the script exhaust prints: exit codes, each with what the shell
// said when it was refused a process.
var exhausted = regexp.MustCompile(`^hoarder (\d+) (\d+) (.*)\nseen (\d+)\nfull (\d+) (.*)\nkill (\d+)\nleft (\d+)\nfreed (\d+) (.*)\n$`)

func limitIsThePods(o suite.Observation) error {
	if limit := o.Ran["limit"]; !limit.Ran() || limit.Code != 0 || len(strings.Fields(limit.Stdout)) != 1 {
		return suite.CannotTell("the pod has one control group on its node whose limit of PIDs can be set", limit.String())
	}
	// systemd, whose the control group may be, sets what it knows again when it is asked to.
	if after := o.Ran["limit-after"]; !after.Ran() || strings.TrimSpace(after.Stdout) != strconv.Itoa(lowLimit) {
		return suite.CannotTell(fmt.Sprintf("the limit stays at %d until the end", lowLimit), after.String())
	}
	result := o.Ran["exhaust"]
	said := exhausted.FindStringSubmatch(result.Stdout)
	if said == nil {
		return suite.CannotTell("the script in container sibling tells what it saw to its end", result.String())
	}
	number := func(i int) int { n, _ := strconv.Atoi(said[i]); return n }
	made, seen, left := number(2), number(4), number(8)
	sibling := o.Container("sibling")
	switch {
	case seen < made:
		return suite.Violation(fmt.Sprintf("the sibling sees the hoarder's %d processes", made), fmt.Sprintf("it sees %d processes\n%s", seen, result), sibling)
	case seen > lowLimit:
		return suite.Violation(fmt.Sprintf("the pod has at most %d processes", lowLimit), fmt.Sprintf("it has %d\n%s", seen, result), sibling)
	case seen < lowLimit-roomLeft:
		return suite.CannotTell(fmt.Sprintf("the pod has %d processes, or little less", lowLimit), fmt.Sprintf("it has %d\n%s", seen, result), sibling)
	case said[7] != "0":
		return suite.Violation("the sibling kills the hoarder's processes", result.String(), sibling)
	case left > seen-made+roomLeft:
		return suite.Violation("the hoarder's processes are gone once they were killed", fmt.Sprintf("of %d processes %d are left\n%s", seen, left, result), sibling)
	}
	for _, try := range []struct {
		who, code, message string
		refused            bool
	}{
		{"the hoarder", said[1], said[3], true},
		{"the sibling, while the pod is full,", said[5], said[6], true},
		{"the sibling, after the hoarder's processes were killed,", said[9], said[10], false},
	} {
		wasRefused := try.code != "0"
		if wasRefused && probe.ErrnoOf(try.message) != probe.EAGAIN {
			return suite.CannotTell(try.who+" starts processes, or is refused one with EAGAIN", result.String(), sibling)
		}
		if wasRefused != try.refused {
			expected := "starts processes"
			if try.refused {
				expected = fmt.Sprintf("is refused further processes with EAGAIN: the pod may have %d", lowLimit)
			}
			return suite.Violation(try.who+" "+expected, result.String(), sibling)
		}
	}
	return limitIsKubelets(o)
}

// limitIsKubelets demands that the limit that kubelet is told to set is the one that the
// pod had.
func limitIsKubelets(o suite.Observation) error {
	configured, asked := o.Ran["configured"]
	set := strings.TrimSpace(o.Ran["limit"].Stdout)
	if !asked || !configured.Ran() || configured.Code != 0 {
		return suite.CannotTell("kubelet's configuration on its node", configured.String())
	}
	want := strings.TrimSpace(configured.Stdout)
	if want == "" || want == "-1" { // no limit of kubelet's: what the node has is recorded
		return nil
	}
	if set != want {
		return suite.Violation("the pod's limit of PIDs is kubelet's podPidsLimit, "+want, "it was "+set)
	}
	return nil
}
