package options

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"

	"procns/e2e/cases"
	"procns/e2e/internal/suite"
	"procns/fixtures"
)

func parse(t *testing.T, arguments ...string) Options {
	t.Helper()
	o, err := Sources{Arguments: arguments}.Parse(io.Discard)
	require.NoError(t, err)
	return o
}

// someDigest is a digest in form only.
var someDigest = "@sha256:" + strings.Repeat("0a", 32)

func TestParse(t *testing.T) {
	o := parse(t)
	assert.True(t, o.Provision)
	assert.Equal(t, "all", o.Nodes, "a cluster that is made for the run is covered as a whole")
	assert.Equal(t, time.Hour, o.Timeout)
	assert.Equal(t, 5*time.Minute, o.CaseTimeout)

	o = parse(t, "-kubeconfig", "k", "-context=c", "-run", "pid1/a,signals", "-run", "files/*", "-level", "core,Extended", "-level", "informational",
		"-runtime-classes", "a, b", "-tolerate", "gpu:NoSchedule", "-tolerate", "all",
		"-image", "nginx=r.example:5000/n"+someDigest, "-image=busybox="+someDigest, "-registry", "mirror.example/lib", "-pull-secret", "ns/name",
		"-timeout", "10m", "-case-timeout", "30s", "-keep-on-failure")
	assert.False(t, o.Provision)
	assert.Equal(t, "sample", o.Nodes)
	assert.Equal(t, []string{"pid1/a", "signals", "files/*"}, o.Run)
	assert.Equal(t, []suite.Level{suite.Core, suite.Extended, suite.Informational}, o.Levels)
	assert.Equal(t, []string{"a", "b"}, o.RuntimeClasses)
	assert.True(t, o.Tolerate.All)
	assert.Len(t, o.Tolerate.List, 1)
	assert.Equal(t, map[string]string{"nginx": "r.example:5000/n" + someDigest, "busybox": someDigest}, o.Images)
	p := o.Placement("run", map[string][]corev1.Toleration{"a": {}})
	assert.Equal(t, "busybox"+someDigest, strings.TrimPrefix(p.Image("busybox:1.28"), "mirror.example/lib/"))
	assert.Equal(t, PullSecretName, p.PullSecret)
	assert.Len(t, p.Tolerations, 1)
	assert.Empty(t, parse(t).Placement("run", nil).PullSecret)

	assert.False(t, parse(t, "-in-cluster").Provision)
	assert.Equal(t, "pool=blue", parse(t, "-nodes", "pool=blue").Nodes)
	assert.Equal(t, JSON, parse(t, "-list", "-o", "json").Form)
	for _, arguments := range []string{"-compare a.json b.json -o markdown", "-o markdown -compare a.json b.json", "-o=markdown -compare a.json -compare b.json"} {
		o = parse(t, strings.Fields(arguments)...)
		assert.Equal(t, []string{"a.json", "b.json"}, o.Compare, arguments)
		assert.Equal(t, Markdown, o.Form, arguments)
	}
	o = parse(t, "-phase", "after", "-keep", "-kind-name", "procns-upgrade", "-baseline", "report.json")
	assert.Equal(t, After, o.Phase)
	assert.Equal(t, "procns-upgrade", o.KindName)
	assert.Equal(t, "report.json", o.Baseline)
	assert.Equal(t, Before, parse(t, "-phase=before", "-in-cluster").Phase)
	for arguments, want := range map[string]suite.Requirement{
		"": "", "-require core": suite.RequireCore, "-require=Extended": suite.RequireExtended,
		"-require core -compare a.json b.json": suite.RequireCore, "-dry-run -in-cluster -require core": suite.RequireCore,
	} {
		assert.Equal(t, want, parse(t, strings.Fields(arguments)...).Require, arguments)
	}
	assert.True(t, parse(t, "-cleanup", "-in-cluster", "-witnesses").Witnesses)
	assert.Equal(t, map[string][]string{"vm": {"ssh", "-o", "A=b", "root@vm"}, "other": {"/reach"}},
		parse(t, "-machine", "vm=ssh -o A=b  root@vm", "-machine=other=/reach").Machines)
}

// TestParseRefuses: each mistake has an error of one line that names the flag.
func TestParseRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		arguments string
		says      string
	}{
		"unknown flag":                  {"-contex a", "-contex; near: -context"},
		"an argument":                   {"signals", `unexpected argument "signals"`},
		"no value":                      {"-kubeconfig", "-kubeconfig"},
		"empty kubeconfig":              {"-kubeconfig=", "-kubeconfig is empty"},
		"empty context":                 {"-context=", "-context is empty"},
		"unknown level":                 {"-level must", `"must" is none of core, extended and informational`},
		"unknown requirement":           {"-require all", "-require: expected core or extended"},
		"empty requirement":             {"-require=", "-require: expected core or extended"},
		"records required":              {"-require informational", "informational cases have no verdict: expected core or extended"},
		"required of a list":            {"-list -require core", "-require goes with a run or with -compare, not with -list"},
		"required of a clean-up":        {"-cleanup -in-cluster -require core", "-require goes with a run or with -compare, not with -cleanup"},
		"empty pattern":                 {"-run=", "empty name"},
		"unknown image":                 {"-image httpd=a", "one of the names busybox, busybox:1.28, nginx, pause"},
		"no reference":                  {"-image nginx", "expected name=reference"},
		"empty reference":               {"-image nginx=", "no reference of an image"},
		"a wrong reference":             {"-image nginx=UPPER/Case", "no reference of an image"},
		"a cut digest":                  {"-image nginx=r.example/nginx@sha256:12", "no digest"},
		"only a wrong digest":           {"-image nginx=@md5:12", "no digest"},
		"a URL as registry":             {"-registry https://mirror.example", "no registry such as"},
		"a tag as registry":             {"-registry mirror.example/lib:1", "no registry such as"},
		"a Secret without its home":     {"-pull-secret name", "expected NAMESPACE/NAME"},
		"a wrong selector":              {"-nodes pool==,", "neither sample nor all nor a label selector"},
		"a wrong toleration":            {"-tolerate gpu", "is no toleration"},
		"empty runtime class":           {"-runtime-classes a,,b", "an empty name"},
		"a wrong duration":              {"-timeout 5", "-timeout"},
		"no time":                       {"-timeout 0s", "must be above zero"},
		"no time for a case":            {"-case-timeout=-1s", "must be above zero"},
		"no pods":                       {"-pods 0", "must be above zero"},
		"less than none":                {"-starting=-1", "must not be below zero"},
		"no stages":                     {"-parallel 0", "must be above zero"},
		"no requests":                   {"-qps 0", "must be above zero"},
		"requests that are no number":   {"-qps NaN", "must be above zero"},
		"requests without end":          {"-qps Inf", "-qps must not be above 1000000"},
		"requests that round to none":   {"-qps 1e-300", "must be above zero"},
		"a number for a duration":       {"-timeout 5", ": expected a duration such as 90s, 30m or 1h30m"},
		"a duration that overflows":     {"-case-timeout 9999999999h", ": expected a duration such as"},
		"a word for a number":           {"-pods many", `invalid value "many" for flag -pods: parse error: expected a whole number`},
		"a number that is too large":    {"-parallel 99999999999999999999", "out of range: expected a whole number"},
		"half a pod":                    {"-pods 1.5", ": expected a whole number"},
		"a word for a rate":             {"-qps fast", ": expected a number"},
		"a switch that is neither":      {"-keep=yes", `invalid boolean value "yes" for -keep: parse error: expected true or false`},
		"empty kind configuration":      {"-kind-config=", "-kind-config is empty"},
		"loaded into another cluster":   {"-load a.tar -kubeconfig k", "-load is for the kind cluster that procns makes"},
		"nodes of another cluster":      {"-in-cluster -node-image kindest/node:v1", "-node-image is for the kind cluster that procns makes"},
		"unknown form":                  {"-list -o yaml", "expected text, json or markdown"},
		"a form of nothing":             {"-print-rbac -o json", "-o is the form of a run's report, of -version, -list, -list-images and -compare, not of -print-rbac"},
		"a list in Markdown":            {"-list -o markdown", "-o markdown is no form of -list"},
		"a version in Markdown":         {"-version -o markdown", "-o markdown is no form of -version"},
		"two documents":                 {"-o json -progress json", "both want standard output"},
		"quiet and loud":                {"-quiet -v", "-quiet and -v: choose one of them"},
		"unknown progress":              {"-progress fancy", "expected auto, lines or json"},
		"unknown shell":                 {"-completion tcsh", "expected bash, zsh or fish"},
		"no file of settings":           {"-config=", "an empty name"},
		"a flag as an argument":         {"list", `unexpected argument "list": did you mean -list? everything is said by flags`},
		"a switch and its value":        {"-keep true", "a switch takes its value behind =, as in -keep=true"},
		"another tool's flag":           {"--focus pid1", "near: -run; all of them: -help"},
		"a slip in it":                  {"-foucs pid1", "near: -run; all of them: -help"},
		"like no flag":                  {"-zzz", "-zzz; all of them: -help"},
		"one report":                    {"-compare a.json", "-compare names two reports"},
		"three reports":                 {"-compare a.json b.json c.json", `unexpected argument "c.json"`},
		"one report, and a flag":        {"-compare a.json -o json", "-compare names two reports"},
		"reports, unknown flag":         {"-compare a.json b.json -timeou 1s", "near: -timeout"},
		"compared, and listed":          {"-compare a.json b.json -list", "-list and -compare: choose one"},
		"compared with a baseline":      {"-compare a.json b.json -baseline c.json", "go with a run, not with -compare"},
		"rendered, and compared":        {"-render a.json -compare a.json b.json", "-compare and -render: choose one"},
		"nothing rendered":              {"-render=", "-render is empty"},
		"two rendered":                  {"-render a.json b.json", `unexpected argument "b.json"`},
		"empty baseline":                {"-baseline=", "-baseline is empty"},
		"unknown phase":                 {"-phase between -in-cluster", "expected before or after"},
		"a phase of nothing":            {"-phase before", "-phase needs a cluster that outlives the run"},
		"a phase, planned":              {"-phase before -in-cluster -dry-run", "go with a run, not with -dry-run"},
		"witnesses of a run":            {"-witnesses -in-cluster", "-witnesses says what -cleanup deletes"},
		"two modes":                     {"-list -cleanup", "-list and -cleanup: choose one"},
		"two clusters":                  {"-in-cluster -context a", "leave out -kubeconfig and -context"},
		"a dry run of nothing":          {"-dry-run", "-dry-run needs a cluster"},
		"a clean-up of nothing":         {"-cleanup", "-cleanup needs a cluster"},
		"kept, and deleted":             {"-keep-on-failure", "add -keep"},
		"a machine without its command": {"-machine vm=", "expected node=command"},
		"a machine without its name":    {"-machine =ssh", "the node"},
		"a machine twice":               {"-machine vm=ssh -machine vm=rsh", "has two commands"},
		"a machine of another cluster":  {"-machine vm=ssh -in-cluster", "a node of the kind cluster that procns makes"},
		"unknown engine":                {"-engine lxc", "-engine lxc: expected one of docker"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Sources{Arguments: strings.Fields(row.arguments)}.Parse(io.Discard)
			var usage UsageError
			require.ErrorAs(t, err, &usage)
			assert.Contains(t, err.Error(), row.says)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	_, err := Sources{Arguments: []string{"-help"}}.Parse(&help)
	require.ErrorIs(t, err, flag.ErrHelp)
	assert.Contains(t, help.String(), "  -kubeconfig file\n        kubeconfig file of the cluster to test, or a list of files as in $KUBECONFIG\n")
	assert.Contains(t, help.String(), "(default: 1h0m0s)")
}

// TestPage: the page tells of every flag, once.
func TestPage(t *testing.T) {
	const file = "../../../docs/FLAGS.md"
	var page bytes.Buffer
	require.NoError(t, writePage(&page))
	if golden.FlagUpdate() {
		require.NoError(t, os.WriteFile(file, page.Bytes(), 0o644))
	}
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, page.String(), string(written), "write it anew: go test ./e2e/internal/options -update")

	var o Options
	flags, groups := o.define()
	told := map[string]int{}
	for _, g := range groups {
		for _, name := range g.Names {
			told[name]++
		}
	}
	flags.VisitAll(func(f *flag.Flag) {
		assert.Equal(t, 1, told[f.Name], "-%s belongs to one group", f.Name)
		assert.NotEmpty(t, f.Usage, f.Name)
	})
	for name := range told {
		assert.NotNil(t, flags.Lookup(name), name)
	}
}

// someManifests has a pod in the node's PID namespace in host.yaml.
func someManifests(file string) ([]byte, error) {
	return fmt.Appendf(nil, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostPID: %v, containers: [{name: a, image: nginx}]}\n", file == "host.yaml"), nil
}

func someCases() []suite.Case {
	return []suite.Case{
		{ID: "pid1/is-the-sandbox", Level: suite.Core, Fixture: "a.yaml", Control: "b.yaml"},
		{ID: "pid1/reaps-orphans", Level: suite.Extended},
		{ID: "signals/hang-up", Level: suite.Core},
		{ID: "signals/broadcast", Level: suite.Informational, Fixture: "a.yaml", Control: "host.yaml"},
	}
}

func TestSelect(t *testing.T) {
	for name, row := range map[string]struct {
		arguments string
		ids       []string
	}{
		"everything":        {"", []string{"pid1/is-the-sandbox", "pid1/reaps-orphans", "signals/hang-up", "signals/broadcast"}},
		"an ID":             {"-run pid1/reaps-orphans", []string{"pid1/reaps-orphans"}},
		"an area":           {"-run signals", []string{"signals/hang-up", "signals/broadcast"}},
		"an area's folder":  {"-run signals/", []string{"signals/hang-up", "signals/broadcast"}},
		"a pattern":         {"-run */*a*s", []string{"pid1/reaps-orphans"}},
		"several":           {"-run signals/*,pid1/is-* -run signals", []string{"pid1/is-the-sandbox", "signals/hang-up", "signals/broadcast"}},
		"a level":           {"-level core", []string{"pid1/is-the-sandbox", "signals/hang-up"}},
		"levels":            {"-level core,informational", []string{"pid1/is-the-sandbox", "signals/hang-up", "signals/broadcast"}},
		"without an area":   {"-skip pid1", []string{"signals/hang-up", "signals/broadcast"}},
		"without some":      {"-run signals -skip signals/b*", []string{"signals/hang-up"}},
		"no host PID":       {"-skip @host-pid", []string{"pid1/is-the-sandbox", "pid1/reaps-orphans", "signals/hang-up"}},
		"neither":           {"-skip @host-pid,signals/hang-up -level core", []string{"pid1/is-the-sandbox"}},
		"a level's pattern": {"-level extended -run pid1", []string{"pid1/reaps-orphans"}},
	} {
		t.Run(name, func(t *testing.T) {
			selected, err := parse(t, strings.Fields(row.arguments)...).Select(someCases(), someManifests)
			require.NoError(t, err)
			var ids []string
			for _, c := range selected {
				ids = append(ids, c.ID)
			}
			assert.Equal(t, row.ids, ids)
		})
	}
	for arguments, says := range map[string]string{
		"-run orphans":               "near: pid1/reaps-orphans; all",
		"-run zzzzz":                 `-run "zzzzz" matches no case; all of them: -list`,
		"-run sgnals":                "near: signals",
		"-run pid1/is-sandbox":       `-run "pid1/is-sandbox" matches no case; near: pid1/is-the-sandbox`,
		"-run sygnals/hangup":        "near: signals/hang-up",
		"-run signals,pid2":          `-run "pid2" matches no case`,
		"-skip pid2":                 `-skip "pid2" matches no case`,
		"-run signals -skip signals": "-skip signals leaves none of the cases that -run selects",
		"-run [":                     "syntax error in pattern",
		"-run signals -level extend": "",
		"-run signals/hang-up -level extended,informational": "-level Extended,Informational leaves none of the cases that -run selects: they are Core",
	} {
		o, err := Sources{Arguments: strings.Fields(arguments)}.Parse(io.Discard)
		if says == "" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		_, err = o.Select(someCases(), someManifests)
		require.ErrorAs(t, err, new(UsageError), arguments)
		assert.Contains(t, err.Error(), says)
	}
}

// TestCheckRequired: a run that could not end with 0 is refused before it begins.
func TestCheckRequired(t *testing.T) {
	for arguments, says := range map[string]string{
		"":                                  "",
		"-require core":                     "",
		"-require extended":                 "",
		"-require core -run pid1":           "",
		"-require extended -level extended": "",
		"-level informational":              "", // nothing was required in so many words
		"-require core -level extended":     "-require core: the selected cases are all Extended, which do not decide then",
		"-require core -run signals/broadcast,pid1/reaps-orphans": "-require core: the selected cases are all Extended and Informational",
		"-require extended -level informational":                  "-require extended: the selected cases are all Informational",
	} {
		o := parse(t, strings.Fields(arguments)...)
		selected, err := o.Select(someCases(), someManifests)
		require.NoError(t, err, arguments)
		err = o.CheckRequired(selected)
		if says == "" {
			require.NoError(t, err, arguments)
			continue
		}
		require.ErrorAs(t, err, new(UsageError), arguments)
		assert.Contains(t, err.Error(), says)
	}
}

func TestWriteCases(t *testing.T) {
	var text, document bytes.Buffer
	require.NoError(t, WriteCases(&text, someCases(), false))
	assert.Equal(t, 4, strings.Count(text.String(), "\n"))
	assert.Contains(t, text.String(), "pid1/reaps-orphans")
	require.NoError(t, WriteCases(&document, someCases(), true))
	assert.Contains(t, document.String(), `"varies": "shareProcessNamespace"`)
	assert.Contains(t, document.String(), `"level": "Informational"`)
}

// TestAllImages: every image that any manifest of the catalogue names is listed,
// and can be replaced.
func TestAllImages(t *testing.T) {
	images, err := parse(t).AllImages(cases.All(), fixtures.Read)
	require.NoError(t, err)
	listed := map[string]bool{}
	for _, image := range images {
		listed[image.Documented] = true
		assert.Regexp(t, `^[a-z.0-9]+/[a-z/]+:[0-9.]+@sha256:[0-9a-f]{64}$`, image.Image, "it is pinned")
		assert.Equal(t, suite.ImageName(image.Documented), suite.ImageName(image.Image))
		assert.Contains(t, DocumentedImages, suite.ImageName(image.Documented))
	}
	for _, c := range cases.All() {
		for _, file := range []string{c.Fixture, c.Control, c.Neighbour} {
			if file == "" {
				continue
			}
			raw, err := fixtures.Read(file)
			require.NoError(t, err)
			// The manifests' text itself, so that no kind of container is forgotten.
			for line := range strings.Lines(string(raw)) {
				if _, image, ok := strings.Cut(line, "image: "); ok && !strings.HasPrefix(strings.TrimSpace(line), "#") {
					image, _, _ = strings.Cut(strings.TrimSpace(image), "}")
					image, _, _ = strings.Cut(image, ",")
					assert.True(t, listed[image], "%s: %q", file, image)
				}
			}
		}
	}

	o := parse(t, "-registry", "mirror.example/lib", "-image", "pause=r.example/p:1")
	images, err = o.AllImages(cases.All(), fixtures.Read)
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, WriteImages(&text, images, false))
	for line := range strings.Lines(text.String()) {
		assert.True(t, strings.HasPrefix(line, "mirror.example/lib/") || line == "r.example/p:1\n", line)
	}
	assert.Contains(t, text.String(), "mirror.example/lib/busybox:1.28@sha256:")
	var document bytes.Buffer
	require.NoError(t, WriteImages(&document, images, true))
	assert.Contains(t, document.String(), `"documented": "nginx"`)
}

func TestImagesOfActs(t *testing.T) {
	raw := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  initContainers: [{name: i, image: pause:3}]\n  containers: [{name: c, image: nginx}]\n" +
		"  ephemeralContainers: [{name: e, image: example/busybox:2}]\n"
	read := func(file string) ([]byte, error) {
		if file != "a.yaml" {
			return nil, errors.New("no such manifest")
		}
		return []byte(raw), nil
	}
	documented := func(c suite.Case) []string {
		images, err := Options{}.AllImages([]suite.Case{c}, read)
		require.NoError(t, err)
		var all []string
		for _, image := range images {
			all = append(all, image.Documented)
		}
		return all
	}
	assert.Equal(t, []string{"example/busybox:2", "nginx", "pause:3"}, documented(suite.Case{Fixture: "a.yaml"}))
	assert.Equal(t, []string{"busybox", "example/busybox:2", "nginx", "pause:3"}, documented(suite.Case{Fixture: "a.yaml", Act: &suite.Act{}}))
	_, err := Options{}.AllImages([]suite.Case{{Fixture: "b.yaml"}}, read)
	assert.Error(t, err)
}
