package cases

import (
	"bytes"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/suite"
	"procns/fixtures"
)

// every is the whole catalogue: what an ordinary run has, and what an upgrade needs.
func every() []suite.Case { return append(All(), Upgrade()...) }

// everyArea are the parts of the catalogue.
func everyArea() []suite.Area {
	var all []suite.Area
	for _, a := range append(slices.Clone(areas), throughUpgrade) {
		all = append(all, a.Area)
	}
	return all
}

// caseOf is the case of an ID.
func caseOf(t *testing.T, id string) suite.Case {
	t.Helper()
	all := every()
	i := slices.IndexFunc(all, func(c suite.Case) bool { return c.ID == id })
	require.GreaterOrEqual(t, i, 0, "no such case: %s", id)
	return all[i]
}

func TestCasesAreComplete(t *testing.T) {
	id := regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(-[a-z0-9]+)*$`)
	seen := map[string]bool{}
	for _, c := range every() {
		t.Run(c.ID, func(t *testing.T) {
			assert.Regexp(t, id, c.ID, "IDs are area/behaviour in kebab-case")
			assert.False(t, seen[c.ID], "the ID is taken")
			seen[c.ID] = true
			assert.Contains(t, []suite.Level{suite.Core, suite.Extended, suite.Informational}, c.Level)
			assert.NotEmpty(t, c.Source)
			assert.NotEmpty(t, c.Fixture)
			assert.NotNil(t, c.Judge)
			assert.True(t, strings.HasSuffix(c.Claim, "."), "a claim is a sentence")
			if c.Control == "" {
				assert.NotEmpty(t, c.NoControl, "a case without a control says why")
			} else {
				assert.Empty(t, c.NoControl)
			}
			if c.Act != nil && !c.Act.Ends && c.Submit == suite.Runs {
				assert.Positive(t, c.Act.Within, "an act bounds the wait for its effect")
			}
			if c.Act != nil && c.Act.Disrupts {
				assert.Equal(t, "disruption", c.Area(), "what disturbs a node stands in an area of its own")
			}
			if c.Area() == "disruption" {
				assert.True(t, c.OwnNode, "only the suite's own nodes are disturbed")
			}
			assert.Equal(t, c.Record != nil, c.Records != "", "what is recorded is said")
			if c.MinVersion != "" {
				_, err := suite.ParseVersion(c.MinVersion)
				assert.NoError(t, err)
			}
		})
	}
}

// TestAreasHoldTheirCases: the part of an ID before the slash leads to the code.
func TestAreasHoldTheirCases(t *testing.T) {
	for _, a := range append(slices.Clone(areas), throughUpgrade) {
		cases := a.cases()
		assert.NotEmpty(t, cases, "%s holds no case", a.Name)
		for _, c := range cases {
			assert.Equal(t, a.Name, c.Area(), "%s stands in the area %s", c.ID, a.Name)
		}
		raw, err := os.ReadFile(a.Name + ".go")
		if assert.NoError(t, err, "an area has a file of its name") {
			assert.Contains(t, string(raw), "func "+a.Name+"Cases()")
		}
	}
}

// TestCatalogueDocument holds docs/CATALOGUE.md to the cases: -update writes it.
func TestCatalogueDocument(t *testing.T) {
	var page strings.Builder
	require.NoError(t, writeCatalogue(&page, everyArea(), every()))
	golden.Assert(t, page.String(), "../../../docs/CATALOGUE.md")
}

// TestCoreIsThePage holds the level to its meaning: Core is what the page says.
func TestCoreIsThePage(t *testing.T) {
	for _, c := range every() {
		if c.Level == suite.Core && c.Source != "" {
			assert.True(t, strings.Contains(c.Source, page) || strings.Contains(c.Source, apiReference),
				"%s: a Core case names the page or the API reference, not only %q", c.ID, c.Source)
		}
	}
}

// TestControlsDifferInOneProperty compares fixture and control field by field,
// without the property that the case says is varied.
func TestControlsDifferInOneProperty(t *testing.T) {
	for _, c := range suite.WithSwept(every()) {
		if c.Control == "" {
			continue
		}
		t.Run(c.ID+"/"+c.Control, func(t *testing.T) {
			fixture, control := documents(t, c.Fixture), documents(t, c.Control)
			assert.NotEqual(t, fixture, control, "the control is the fixture itself")
			for property := range strings.SplitSeq(c.Property(), ", ") {
				without(fixture, property)
				without(control, property)
			}
			assert.Equal(t, fixture, control, "the control differs in more than %s", c.Property())
		})
	}
}

// documents reads a manifest as plain data.
func documents(t *testing.T, file string) []any {
	t.Helper()
	raw, err := fixtures.Read(file)
	require.NoError(t, err)
	var all []any
	for part := range bytes.SplitSeq(raw, []byte("\n---\n")) {
		var document any
		require.NoError(t, yaml.Unmarshal(part, &document))
		all = append(all, document)
	}
	return all
}

// without removes a property wherever it stands.
func without(value any, property string) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			without(item, property)
		}
	case map[string]any:
		delete(v, property)
		for _, item := range v {
			without(item, property)
		}
	}
}

func TestFixturesDecodeAndAreUsed(t *testing.T) {
	files, err := fs.Glob(fixtures.Files, "*.yaml")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, c := range suite.WithSwept(every()) {
		for _, file := range c.Manifests() {
			used[file] = true
			assert.True(t, slices.Contains(files, file), "%s: %s does not exist", c.ID, file)
		}
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			assert.True(t, used[file], "no case uses it")
			raw, err := fixtures.Read(file)
			require.NoError(t, err)
			manifest, err := suite.DecodeManifest(file, raw)
			require.NoError(t, err)
			assert.NotContains(t, manifest.Pod.String(), "MARKER-", "every marker is planted")
		})
	}
}

// TestExecProbesHaveTime: a slow node's runtime takes seconds to begin a probe by exec, and kubelet gives it one
// unless told otherwise. Probes whose timing out is the claim's matter have time to begin.
func TestExecProbesHaveTime(t *testing.T) {
	files, err := fs.Glob(fixtures.Files, "*.yaml")
	require.NoError(t, err)
	probes := 0
	for _, file := range files {
		raw, err := fixtures.Read(file)
		require.NoError(t, err)
		manifest, err := suite.DecodeManifest(file, raw)
		require.NoError(t, err)
		least := int32(30)
		if strings.HasPrefix(file, "probe-timeouts") {
			least = 3
		}
		spec := manifest.Pod.Spec
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
				if probe != nil && probe.Exec != nil {
					probes++
					assert.GreaterOrEqual(t, probe.TimeoutSeconds, least, "%s: container %s", file, c.Name)
				}
			}
		}
	}
	assert.Positive(t, probes)
}

// TestDocumentedFixture holds the first fixture to the page's own manifest.
func TestDocumentedFixture(t *testing.T) {
	raw, err := fixtures.Read(documented)
	require.NoError(t, err)
	manifest, err := suite.DecodeManifest(documented, raw)
	require.NoError(t, err)
	spec := manifest.Pod.Spec
	require.NotNil(t, spec.ShareProcessNamespace)
	assert.True(t, *spec.ShareProcessNamespace)
	require.Len(t, spec.Containers, 2)
	nginx, shell := spec.Containers[0], spec.Containers[1]
	assert.Equal(t, "nginx", nginx.Image)
	assert.Equal(t, "busybox", shell.Image)
	assert.True(t, shell.Stdin)
	assert.True(t, shell.TTY)
	assert.Equal(t, "SYS_PTRACE", string(shell.SecurityContext.Capabilities.Add[0]))
	assert.Empty(t, manifest.Markers, "the page's bytes carry nothing of ours")
}

// TestPodsOfATarget: what the catalogue asks of one target does not grow unseen.
func TestPodsOfATarget(t *testing.T) {
	core := slices.DeleteFunc(All(), func(c suite.Case) bool { return c.Level != suite.Core })
	for name, row := range map[string]struct {
		cases []suite.Case
		pods  int
	}{"all": {All(), 111}, "Core": {core, 45}} {
		cost, err := suite.CostOf(row.cases, fixtures.Read)
		require.NoError(t, err)
		assert.Equal(t, row.pods, cost.Pods, name)
	}
}
