package cases

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/difference"
	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// The cases that stand for many, in the columns of TestTurns.
var representatives = []string{
	"version/field-is-kept", "admission/host-pid-excludes-sharing", "admission/immutable-by-merge-patch", "controllers/deployment-shares",
	"walkthrough/exec-hangup", "pid1/is-the-sandbox", "visibility/every-ordered-pair", "secrets/environment-readable",
	"permissions/matrix", "security/seccomp-runtime-default", "lifecycle/exit-codes", "reaping/orphan", "init/one-namespace",
}

// TestTurns: which of the cases may be judged (y) under which change, and which not (-).
func TestTurns(t *testing.T) {
	images := map[string]string{"nginx": "nginx", "app": "busybox"}
	for _, row := range []struct {
		name   string
		change difference.Difference
		judged string // one letter for each of representatives
	}{
		{"the field", difference.Difference{Class: difference.Field}, "-------------"},
		{"host PID", difference.Difference{Class: difference.HostNamespaces}, "-------------"},
		{"a runtime class", difference.Difference{Class: difference.RuntimeClass}, "yy-----------"},
		{"a user namespace", difference.Difference{Class: difference.UserNamespace}, "yy-----------"},
		{"the user", difference.Difference{Class: difference.Users}, "yy-----------"},
		{"the command", difference.Difference{Class: difference.Command}, "yy-----------"},
		{"the args", difference.Difference{Class: difference.Args}, "yy-----------"},
		{"a variable that programs read", difference.Difference{Class: difference.Environment}, "yy-----------"},
		{"another variable", difference.Difference{Class: difference.EnvironmentAdded}, "yyyyyyyyyyyyy"},
		{"SYS_PTRACE taken away", difference.Difference{Class: difference.CapabilitiesAsked, Path: "spec.containers[app].securityContext.capabilities.add[SYS_PTRACE]", Container: "app"}, "-------------"},
		{"MKNOD dropped", dropped("nginx", "MKNOD"), "yyyyyyyyyyyyy"},
		{"NET_RAW dropped", dropped("app", "NET_RAW"), "yyyyyyyyyyyyy"},
		{"SETUID dropped of nginx", dropped("nginx", "SETUID"), "yy-----------"},
		{"SETUID dropped of busybox", dropped("app", "SETUID"), "yyyyyyyy-yyyy"},
		{"KILL dropped", dropped("app", "KILL"), "yyyyy-yy-y-yy"},
		{"ALL dropped of nginx", dropped("nginx", "ALL"), "yy-----------"},
		{"ALL dropped of busybox", dropped("app", "ALL"), "yyyyy-y--y-yy"},
		{"privileged", difference.Difference{Class: difference.Privileges}, "-------------"},
		{"no privilege escalation", difference.Difference{Class: difference.PrivilegeEscalation}, "yyyyyyyyy-yyy"},
		{"seccomp RuntimeDefault", difference.Difference{Class: difference.SeccompDefault}, "yyyyyyyyy-yyy"},
		{"another seccomp profile", difference.Difference{Class: difference.Seccomp}, "yy-----------"},
		{"an AppArmor profile", difference.Difference{Class: difference.AppArmor}, "yy-----------"},
		{"a digest", difference.Difference{Class: difference.SameImage}, "yyyyyyyyyyyyy"},
		{"another image", difference.Difference{Class: difference.OtherImage}, "yy-----------"},
		{"a sidecar", difference.Difference{Class: difference.ContainerAdded}, "yyyyyyyyyy---"},
		{"an init container", difference.Difference{Class: difference.InitContainerAdded}, "yyyyyyyyyy---"},
		{"a container less", difference.Difference{Class: difference.ContainerRemoved}, "yy-----------"},
		{"a probe", difference.Difference{Class: difference.Probes}, "yy-----------"},
		{"a hook", difference.Difference{Class: difference.Hooks}, "yy-----------"},
		{"the restart policy", difference.Difference{Class: difference.RestartPolicy}, "yy-----------"},
		{"the grace period", difference.Difference{Class: difference.GracePeriod}, "yy-----------"},
		{"a terminal", difference.Difference{Class: difference.Terminal}, "yy-----------"},
		{"a read-only root", difference.Difference{Class: difference.ReadOnlyRoot}, "yy-----------"},
		{"the volumes", difference.Difference{Class: difference.Volumes}, "yy-----------"},
		{"one volume more", difference.Difference{Class: difference.VolumesAdded}, "yyyyyyyyyyyyy"},
		{"resources", difference.Difference{Class: difference.Resources}, "yyyyyyyyyyyyy"},
		{"other resources", difference.Difference{Class: difference.ResourcesChanged}, "yyyyyyyyyy-yy"},
		{"tolerations", difference.Difference{Class: difference.Tolerations}, "yyyyyyyyyyyyy"},
		{"priority", difference.Difference{Class: difference.Priority}, "yyyyyyyyyyyyy"},
		{"a label", difference.Difference{Class: difference.Labels}, "yyyyyyyyyyyyy"},
		{"an annotation", difference.Difference{Class: difference.Annotations}, "yyyyyyyyyyyyy"},
		{"a finalizer", difference.Difference{Class: difference.Finalizers}, "yyyyyyyyyy-yy"},
		{"the service account", difference.Difference{Class: difference.ServiceAccount}, "yyyyyyyyyyyyy"},
		{"readiness gates", difference.Difference{Class: difference.ReadinessGates}, "yyyyyyyyyyyyy"},
		{"the workload's settings", difference.Difference{Class: difference.WorkloadSettings}, "yy-y---------"},
		{"what nobody knows", difference.Difference{Class: difference.Unknown}, "-------------"},
	} {
		require.Len(t, row.judged, len(representatives), row.name)
		for i, id := range representatives {
			changes := &suite.Changes{Differences: []difference.Difference{row.change}, Images: images}
			want := row.judged[i] == 'y'
			assert.Equal(t, want, len(caseOf(t, id).Decisive(changes)) == 0, "%s under: %s", id, row.name)
		}
	}
}

func dropped(container, capability string) difference.Difference {
	return difference.Difference{
		Class: difference.CapabilitiesDropped, Container: container, Stored: `"` + capability + `"`,
		Path: "spec.containers[" + container + "].securityContext.capabilities.drop[" + capability + "]",
	}
}

// TestTurnsOnTheServer: a claim that the server keeps the field is judged where
// nothing but the server can have changed it.
func TestTurnsOnTheServer(t *testing.T) {
	for _, row := range []struct {
		id     string
		by     *difference.Attribution
		judged bool
	}{
		{"version/field-is-kept", nil, false},
		{"version/field-is-kept", &difference.Attribution{}, true},
		{"version/field-is-kept", &difference.Attribution{Matching: []string{"policy a"}}, false},
		{"version/field-is-kept", &difference.Attribution{Unread: "forbidden"}, false},
		{"version/field-is-kept", &difference.Attribution{Managers: []string{"somebody"}}, false},
		{"admission/false-is-kept", &difference.Attribution{}, true},
		{"controllers/deployment-shares", &difference.Attribution{}, true},
		{"visibility/one-namespace", &difference.Attribution{}, false},
	} {
		changes := &suite.Changes{Differences: []difference.Difference{{Class: difference.Field}}, By: row.by}
		assert.Equal(t, row.judged, len(caseOf(t, row.id).Decisive(changes)) == 0, "%s by %v", row.id, row.by)
	}
}

// TestTurnsOfWorkloads: how many pods a workload makes, and when they count, decides the claims about what
// comes of them in time, and not whether they share.
func TestTurnsOfWorkloads(t *testing.T) {
	for id, judged := range map[string][2]bool{ // under other settings of the workload; under readiness gates
		"controllers/deployment-shares": {true, true}, "controllers/replicaset-shares": {true, true}, "controllers/job-shares": {true, true},
		"controllers/cronjob-keeps-the-field": {true, true}, "admission/templates-exclude-host-pid": {true, true},
		"controllers/rollout-isolates": {false, false}, "controllers/rollout-shares-again": {false, false},
		"controllers/evicted-pod-returns-sharing": {false, true}, "controllers/job-completes": {false, true},
	} {
		for i, class := range []difference.Class{difference.WorkloadSettings, difference.ReadinessGates} {
			changes := &suite.Changes{Differences: []difference.Difference{{Class: class}}}
			assert.Equal(t, judged[i], len(caseOf(t, id).Decisive(changes)) == 0, "%s under %s", id, class)
		}
	}
}

// TestTurnsOnNoProfile: the cases whose killer is to be unconfined find out by its signal
// whether it is; a policy that gives it another profile decides nothing by itself.
func TestTurnsOnNoProfile(t *testing.T) {
	for id, judged := range map[string]bool{
		"lifecycle/sandbox-end-restarts-the-pod": true, "lifecycle/sandbox-end-with-restart-never": true,
		"lifecycle/exit-codes": false, "signals/hangup-replaces-workers": false,
	} {
		changes := &suite.Changes{Differences: []difference.Difference{{Class: difference.AppArmor, Container: "killer"}}}
		assert.Equal(t, judged, len(caseOf(t, id).Decisive(changes)) == 0, id)
	}
}

// TestEveryAreaSaysWhatItTurnsOn, and images of fixtures are known by name.
func TestEveryAreaSaysWhatItTurnsOn(t *testing.T) {
	for _, area := range everyArea() {
		assert.Contains(t, turnsOfArea, area.Name)
	}
	for _, c := range every() {
		for _, class := range slices.Concat(c.Turns.On, c.Turns.NotOn) {
			assert.Contains(t, difference.Classes, class, c.ID)
		}
	}
}

// TestJudgesBesideAnInjectedContainer adds the process of a container that the
// cluster injected to what was recorded. Cases that say that they can be judged beside
// one come to the same answers.
func TestJudgesBesideAnInjectedContainer(t *testing.T) {
	for _, c := range every() {
		if slices.Contains(c.Turns.On, difference.ContainerAdded) || !slices.Contains(c.Turns.NotOn, difference.ContainerAdded) {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			fixture := inject(t, recorded(t, c, c.Fixture), c.Fixture)
			if c.Precondition != nil {
				require.NoError(t, c.Precondition(fixture))
			}
			require.NoError(t, c.Judge(fixture))
			if c.Control != "" {
				err := c.Judge(inject(t, recorded(t, c, c.Control), c.Control))
				assert.True(t, suite.IsViolation(err), "the control does not bite: %v", err)
			}
		})
	}
}

// inject has each container of a pod that shares see one process more, the first one
// of a container that is not the suite's.
func inject(t *testing.T, o suite.Observation, file string) suite.Observation {
	t.Helper()
	raw, err := fixtures.Read(file)
	require.NoError(t, err)
	m, err := suite.DecodeManifest(file, raw)
	require.NoError(t, err)
	if sharing := m.Pod.Spec.ShareProcessNamespace; sharing == nil || !*sharing {
		return o
	}
	o.Pod.Injected = []string{"mesh-proxy"}
	injectInto := func(all map[string]*probe.Snapshot) {
		for _, s := range all {
			if len(s.Processes) > 0 {
				latest := slices.MaxFunc(s.Processes, func(a, b probe.Process) int { return int(a.StartTime - b.StartTime) })
				s.Processes = append(s.Processes, probe.Process{
					PID: 4000, Comm: "sleep", State: "S", StartTime: latest.StartTime, Argv: []string{"sleep", "36000"},
				})
			}
		}
	}
	injectInto(o.Before)
	injectInto(o.After)
	for name, copied := range o.Copies {
		if copied.Pod.Sharing != "true" {
			continue
		}
		injectInto(copied.Before)
		injectInto(copied.After)
		o.Copies[name] = copied
	}
	return o
}

// TestAnswered: claims about the API server's answers are known, and those about nodes are none.
func TestAnswered(t *testing.T) {
	for id, want := range map[string]bool{
		"version/field-is-kept": true, "admission/host-pid-goes-with-false": true, "admission/immutable-by-merge-patch": true,
		"controllers/cronjob-keeps-the-field": true, "ephemeral/unknown-target-refused": true,
		"controllers/deployment-shares": false, "visibility/one-namespace": false, "ephemeral/nginx-conf": false,
	} {
		assert.Equal(t, want, caseOf(t, id).Turns.Answered, id)
	}
}
