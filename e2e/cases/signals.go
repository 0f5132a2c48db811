package cases

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// signalsCases state what signals from one container do in another.
func signalsCases() []suite.Case {
	return []suite.Case{
		{
			ID:      "signals/hangup-replaces-workers",
			Level:   suite.Core,
			Claim:   "SIGHUP from the shell container replaces every nginx worker, keeps the master, restarts no container, and nginx answers HTTP afterwards.",
			Source:  onConfiguring + ", signalling other containers",
			Fixture: documented,
			Control: isolated,
			Given:   nginxServing,
			Act:     walkByExec,
			Judge:   hangUpReloaded("shell"),
		},
		{
			ID:      "signals/works-with-sys-ptrace",
			Level:   suite.Core,
			Claim:   "With the capability SYS_PTRACE in effect, the shell container can signal nginx.",
			Source:  onConfiguring + ", “This operation requires the SYS_PTRACE capability”",
			Fixture: documented,
			Control: isolated,
			Given:   nginxServing,
			Act:     walkByExec,
			Judge: func(o suite.Observation) error {
				if effective := capabilitiesOfSelf(o.Container("shell")); effective&capSysPtrace == 0 {
					return suite.Violation("the shell's effective capabilities hold SYS_PTRACE, as the manifest asks",
						fmt.Sprintf("CapEff %016x", effective), o.Container("shell"))
				}
				return hangUpReloaded("shell")(o)
			},
		},
		{
			ID:      "signals/works-without-sys-ptrace",
			Level:   suite.Informational,
			Claim:   "Without the capability SYS_PTRACE, the shell container can signal nginx as well.",
			Source:  "kill(2): signals turn on user IDs and CAP_KILL; against " + onConfiguring + ", “This operation requires the SYS_PTRACE capability”",
			Fixture: "without-ptrace.yaml",
			Control: "without-ptrace-isolated.yaml",
			Given:   nginxServing,
			Act:     walkByExec,
			Judge: func(o suite.Observation) error {
				if effective := capabilitiesOfSelf(o.Container("shell")); effective&capSysPtrace != 0 {
					return suite.CannotTell("a shell without SYS_PTRACE", fmt.Sprintf("CapEff %016x", effective), o.Container("shell"))
				}
				return hangUpReloaded("shell")(o)
			},
			Record: func(o suite.Observation) string {
				label := o.Container("shell").Label
				if label == "" {
					label = "none"
				}
				return fmt.Sprintf("SIGHUP works without SYS_PTRACE; shell CapEff %016x, LSM label %s", capabilitiesOfSelf(o.Container("shell")), label)
			},
		},
		{
			ID:      "signals/log-rotation",
			Level:   suite.Core,
			Claim:   "A log-handler sidecar can move nginx's log and have it reopened with USR1, without losing a line.",
			Source:  onPurpose + " (log handler sidecar)",
			Fixture: "log-rotation.yaml",
			Control: "log-rotation-isolated.yaml",
			Given:   nginxServing,
			Read:    []string{accessLog, accessLog + ".1"},
			Act:     rotateLog,
			Judge:   logRotated,
			Record:  func(o suite.Observation) string { return o.Ran["rotate"].String() },
		},
	}
}

// capSysPtrace is CAP_SYS_PTRACE's bit (capabilities(7)).
const capSysPtrace = 1 << 19

// capabilitiesOfSelf returns the effective capabilities of the observing shell,
// which are those of any process exec'd in the container.
func capabilitiesOfSelf(s *probe.Snapshot) uint64 {
	for _, p := range s.Processes {
		if p.PID == s.Self {
			set, err := strconv.ParseUint(p.CapEff, 16, 64)
			if err != nil {
				return 0
			}
			return set
		}
	}
	return 0
}

// hangUpReloaded judges the walk by exec: the container saw nginx's master,
// signalled it, and nginx reloaded as it does for a SIGHUP.
func hangUpReloaded(container string) func(suite.Observation) error {
	return func(o suite.Observation) error {
		if _, err := masterSeenFrom(o, container); err != nil {
			return err
		}
		kill := o.Ran["hangup"]
		if !kill.Ran() || kill.Code != 0 {
			return suite.Violation("kill -HUP on nginx's master succeeds", kill.String(), o.Container("nginx"), o.Container(container))
		}
		if err := workersReplaced(o); err != nil {
			return err
		}
		if err := nothingRestarted(o); err != nil {
			return err
		}
		if http := o.Ran["http"]; !http.Ran() || http.Code != 0 {
			return suite.Violation("nginx answers HTTP after the signal", http.String(), o.AfterIn("nginx"))
		}
		return nil
	}
}

// accessLog is where log-rotation.yaml has nginx write.
const accessLog = "/logs/access.log"

// rotateLog is the sidecar's work. It requests numbered paths all the while, so
// that each must stand in one of the two files afterwards: one before the log
// is moved, then on until the new file shows one. It prints how many.
var rotateLog = &suite.Act{
	Name:   "rotate-log",
	Within: 30 * time.Second,
	Sees:   []string{"nginx"},
	Do: func(ctx context.Context, pod suite.Hands) error {
		m, ok := master(pod.Before().Container("sidecar"))
		if !ok {
			return nil // the judge says that the sidecar does not see nginx
		}
		const script = `
request() { wget -q -O /dev/null "http://127.0.0.1/request-$n"; n=$((n+1)); }
n=0
request
mv /logs/access.log /logs/access.log.1
kill -USR1 "$1" || exit 1
until grep -q request- /logs/access.log 2>/dev/null; do
	request
	[ "$n" -lt 1000 ] || exit 2
done
echo "$n"
`
		_, err := pod.Exec(ctx, "rotate", "sidecar", "sh", "-c", script, "rotate-log", strconv.Itoa(m.PID))
		return err
	},
}

func logRotated(o suite.Observation) error {
	if _, err := masterSeenFrom(o, "sidecar"); err != nil {
		return err
	}
	rotation := o.Ran["rotate"]
	requests, err := strconv.Atoi(strings.TrimSpace(rotation.Stdout))
	if err != nil || rotation.Code != 0 {
		return suite.Violation("nginx reopens its log after USR1 from the sidecar", rotation.String(), o.Container("nginx"), o.AfterIn("nginx"))
	}
	m, _ := master(o.Container("nginx"))
	if err := sameMaster(m, o.Container("nginx"), o.AfterIn("nginx")); err != nil {
		return err
	}
	own := o.AfterIn("nginx")
	now, moved := own.Files[accessLog], own.Files[accessLog+".1"]
	if !now.OK() || !moved.OK() {
		return suite.Violation("nginx's container sees the new log and the moved one", now.Message+" "+moved.Message, own)
	}
	for n := range requests {
		line := fmt.Sprintf(" /request-%d ", n)
		if found := strings.Count(now.Text, line) + strings.Count(moved.Text, line); found != 1 {
			return suite.Violation(fmt.Sprintf("request %d stands once in the two logs together", n), fmt.Sprintf("%d times", found), own)
		}
	}
	return nothingRestarted(o)
}
