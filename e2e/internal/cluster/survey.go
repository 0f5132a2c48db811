package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"procns/e2e/internal/preflight"
	"procns/e2e/internal/suite"
	"procns/e2e/internal/targets"
)

// Asked is what a run wants of a cluster.
type Asked struct {
	RunID  string
	Choice targets.Choice
	Needs  preflight.Needs
	Images []string
	// NamespaceLabels are what the run's namespaces have besides the suite's own.
	NamespaceLabels map[string]string
	// Loaded says that this run loaded the images into every node.
	Loaded bool
	// Plugins is what credential plugins say, where the client was made with it.
	Plugins *Plugins
	// Say tells the user what is waited for.
	Say func(format string, args ...any)
}

// Survey is what was found out before anything was created.
type Survey struct {
	Server    Server
	Version   suite.Version
	Gate      suite.Gate
	Selection targets.Selection
	Nodes     map[string]NodeState // the targets'
	Checks    []preflight.Check
}

// Look finds out, all at once and without creating anything, whether a run can
// be made. Its error is why not, in one line; the survey holds what was found so
// far.
func Look(ctx context.Context, client kubernetes.Interface, config *rest.Config, asked Asked) (Survey, error) {
	var s Survey
	var err error
	if s.Server, err = Reach(ctx, client, config, asked.Plugins, asked.Say); err != nil {
		return s, err
	}
	if s.Version, err = suite.ParseVersion(s.Server.Version); err != nil {
		return s, err
	}
	s.Gate = suite.GateOf(s.Version)
	s.Checks = append(s.Checks, preflight.OfVersion(s.Server.Version, s.Server.Platform, s.Gate))
	if s.Gate.Refused != "" {
		return s, errors.New(s.Gate.Refused)
	}

	var group sync.WaitGroup
	var permissions []preflight.Check
	group.Go(func() { permissions = mayRun(ctx, client, asked) })
	var enforced preflight.Check
	group.Go(func() { enforced = wouldEnforce(ctx, client, asked) })
	var apis []preflight.Check
	group.Go(func() { apis = apisAnswer(ctx, client) })
	var found fleet
	group.Go(func() { found = findNodes(ctx, client, asked.Choice) })
	group.Wait()

	s.Selection, s.Nodes = found.selection, found.states
	s.Checks = slices.Concat(s.Checks, permissions, []preflight.Check{enforced}, apis, preflight.OfTargets(s.Selection))
	if failed := preflight.Failed(s.Checks); failed != "" {
		return s, errors.New(failed)
	}
	if found.err != nil {
		return s, found.err
	}
	if asked.Loaded { // kubelet tells of a new image minutes later
		found.images = nil
	}
	s.Checks = append(s.Checks, preflight.OfImages(asked.Images, found.images)...)
	return s, nil
}

// mayRun asks the authorizer, one question for each verb, all at once.
func mayRun(ctx context.Context, client kubernetes.Interface, asked Asked) []preflight.Check {
	questions := preflight.Questions(preflight.Permissions(asked.Needs), asked.Needs, NamespaceOf(asked.RunID))
	return askAll(ctx, client, questions)
}

func askAll(ctx context.Context, client kubernetes.Interface, questions []preflight.Question) []preflight.Check {
	type answer struct {
		denied bool
		err    error
	}
	answers := make([]answer, len(questions))
	var group sync.WaitGroup
	for i, q := range questions {
		group.Go(func() {
			review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &q.Review, metav1.CreateOptions{})
			answers[i] = answer{err: err}
			if err == nil {
				answers[i].denied = !review.Status.Allowed
			}
		})
	}
	group.Wait()
	denied := map[string]bool{}
	var failed error
	for i, q := range questions {
		denied[q.Name()] = denied[q.Name()] || answers[i].denied
		failed = errors.Join(failed, answers[i].err)
	}
	checks := preflight.OfPermissions(questions, func(q preflight.Question) bool { return denied[q.Name()] })
	if failed != nil && preflight.Failed(checks) == "" {
		line, _, _ := strings.Cut(failed.Error(), "\n")
		checks = []preflight.Check{{Name: "permissions", State: preflight.Note, Said: "could not be asked for, the run will tell: " + line}}
	}
	return checks
}

// MayCleanUp says in one line what -cleanup is not allowed to do.
func MayCleanUp(ctx context.Context, client kubernetes.Interface) error {
	questions := preflight.Questions(preflight.Permissions(preflight.Needs{Cleanup: true}), preflight.Needs{}, "")
	if failed := preflight.Failed(askAll(ctx, client, questions)); failed != "" {
		return errors.New(failed)
	}
	return nil
}

// wouldEnforce has the server admit the run's namespace, without storing it, to
// see whether it keeps the level of Pod Security.
func wouldEnforce(ctx context.Context, client kubernetes.Interface, asked Asked) preflight.Check {
	sent := namespaceAt(NamespaceOf(asked.RunID), asked.RunID, "privileged", asked.NamespaceLabels)
	stored, err := client.CoreV1().Namespaces().Create(ctx, sent, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		check := preflight.Check{Name: "pod security", State: preflight.Fail, Said: oneLine(suite.Failed(err, "the run's namespace is refused").Error())}
		if answer, ok := suite.AnswerOf(err); ok && answer.Refusal().NotDry { // what is not asked in a dry run may admit it
			check.State, check.Said = preflight.Note, oneLine(suite.Failed(err, "whether the run's namespace is admitted could not be asked").Error())
		}
		return check
	}
	return preflight.OfNamespace(sent.Labels, stored.Labels)
}

// fleet is what the nodes are.
type fleet struct {
	selection targets.Selection
	images    map[string][]string // that the targets' nodes report, by node
	states    map[string]NodeState
	err       error
}

// pageOfNodes is how many nodes are listed by one request: one has up to 20 kB, most of it the images that
// it has.
const pageOfNodes = 500

// listNodes lists all nodes, page by page.
func listNodes(ctx context.Context, client kubernetes.Interface) ([]corev1.Node, error) {
	var all []corev1.Node
	list := pager.New(func(ctx context.Context, page metav1.ListOptions) (runtime.Object, error) {
		return client.CoreV1().Nodes().List(ctx, page)
	})
	list.PageSize = pageOfNodes
	err := list.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		if node, ok := object.(*corev1.Node); ok {
			all = append(all, *node)
		}
		return nil
	})
	return all, err
}

func findNodes(ctx context.Context, client kubernetes.Interface, choice targets.Choice) fleet {
	classes := map[string]nodev1.RuntimeClass{}
	if len(choice.RuntimeClasses) > 0 {
		list, err := client.NodeV1().RuntimeClasses().List(ctx, metav1.ListOptions{})
		if err != nil {
			return fleet{err: fmt.Errorf("listing RuntimeClasses: %w", err)}
		}
		for _, class := range list.Items {
			classes[class.Name] = class
		}
		if err := targets.Missing(choice.RuntimeClasses, classes); err != nil {
			return fleet{err: err}
		}
	}
	nodes, err := listNodes(ctx, client)
	if err != nil {
		return fleet{err: fmt.Errorf("listing nodes: %w", err)}
	}
	found := fleet{images: map[string][]string{}, states: map[string]NodeState{}}
	found.selection, found.err = targets.Select(nodes, classes, choice)
	chosen := map[string]bool{}
	for _, t := range found.selection.Targets {
		chosen[t.Node] = true
	}
	for _, node := range nodes {
		if chosen[node.Name] {
			found.images[node.Name], found.states[node.Name] = imagesOn(node), nodeState(node)
		}
	}
	return found
}

// mostAskedForCgroups is how many kubelets are asked at most: of more targets, the first one of
// each kind of node.
const mostAskedForCgroups = 100

// CgroupModes asks each target's kubelet for its cgroup version, all at once.
// Kubelet collects all its metrics for that, so that nobody should wait for it
// who has anything else to do.
func CgroupModes(ctx context.Context, client kubernetes.Interface, on []suite.Target) []string {
	modes := make([]string, len(on))
	var group sync.WaitGroup
	seen := map[suite.Model]bool{}
	for i, t := range on {
		if len(on) > mostAskedForCgroups {
			if again := seen[t.Model()]; again || len(seen) == mostAskedForCgroups {
				modes[i] = "unknown"
				continue
			}
			seen[t.Model()] = true
		}
		group.Go(func() { modes[i] = cgroupMode(ctx, client, t.Node) })
	}
	group.Wait()
	return modes
}

func imagesOn(node corev1.Node) []string {
	names := []string{}
	for _, image := range node.Status.Images {
		names = append(names, image.Names...)
	}
	return names
}

// LookInside finds out what of the run's namespace will be in its way: quotas and
// limits, whether pods like those given are admitted, and what the cluster makes of
// them.
func (s *Session) LookInside(ctx context.Context, pods map[string]suite.Manifest, cases []suite.Case, atOnce int) []preflight.Check {
	var group sync.WaitGroup
	var limits []preflight.Check
	group.Go(func() {
		quotas, err := s.Client.CoreV1().ResourceQuotas(s.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return // asked for as a permission already
		}
		ranges, err := s.Client.CoreV1().LimitRanges(s.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return
		}
		limits = preflight.OfLimits(quotas.Items, ranges.Items, atOnce)
	})
	var lock sync.Mutex
	refused, authors := map[string]string{}, map[string]string{}
	var changes suite.Tally
	for file, manifest := range pods {
		group.Go(func() {
			answer, err := s.Submit(ctx, manifest, "")
			if err == nil && answer.Accepted() && manifest.Workload != nil && toBeCreated(file, cases) {
				// What is on the way of the pod that the workload makes is on its way, too.
				if answer.Changes != nil {
					s.tell(ctx, &changes, manifest, answer.Changes, cases)
				}
				manifest.Workload = nil
				answer, err = s.Submit(ctx, manifest, "")
			}
			if err == nil && answer.Changes != nil {
				s.tell(ctx, &changes, manifest, answer.Changes, cases)
			}
			lock.Lock()
			defer lock.Unlock()
			switch {
			case !toBeCreated(file, cases): // the server may have its reasons
			case err != nil:
				refused[file] = err.Error()
			case !answer.Accepted():
				// One reason for many pods, whose names differ.
				refused[file] = strings.ReplaceAll(answer.String(), manifest.Pod.Name, "NAME")
				authors[file] = answer.Refusal().Author()
			default:
				refused[file] = ""
			}
		})
	}
	group.Wait()
	inOneVoice(refused, authors)
	return slices.Concat(limits, preflight.OfPods(refused, changes.Rows()))
}

// inOneVoice has what one author says of several manifests be said once, in the words for the first of
// them: policies name containers and paths, which differ from one to the other.
func inOneVoice(refused, authors map[string]string) {
	files := map[string][]string{}
	for _, file := range slices.Sorted(maps.Keys(authors)) {
		if author := authors[file]; author != "" {
			files[author] = append(files[author], file)
		}
	}
	for _, all := range files {
		said := refused[all[0]]
		if slices.ContainsFunc(all, func(file string) bool { return refused[file] != said }) {
			said += "; in other words for others of them"
		}
		for _, file := range all {
			refused[file] = said
		}
	}
}

// tell adds what the cluster made of a manifest to the tally, with who may have.
func (s *Session) tell(ctx context.Context, tally *suite.Tally, m suite.Manifest, changes *suite.Changes, cases []suite.Case) {
	by := s.Changers(ctx, m, false)
	changes.By, changes.Images = &by, m.Documented
	tally.Add(m.File, *changes, cases)
}

// toBeCreated tells whether a case of the run creates the manifest's pod: what is only
// submitted may be meant to be refused.
func toBeCreated(file string, cases []suite.Case) bool {
	return slices.ContainsFunc(cases, func(c suite.Case) bool {
		return !c.Submit.Dry() && (c.Fixture == file || c.Control == file) || c.Neighbour == file
	})
}
