package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"procns/e2e/internal/probe"
)

func TestNoRoom(t *testing.T) {
	failed := func(reason string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: reason, Message: "because"}}
	}
	no := errors.New("pod p is not Ready")
	for name, row := range map[string]struct {
		pod  *corev1.Pod
		err  error
		says string
	}{
		"created":                 {nil, nil, ""},
		"refused":                 {nil, errors.New(`pods "p" is forbidden: violates PodSecurity`), ""},
		"over quota":              {nil, errors.New(`pods "p" is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3`), "exceeded quota: team"},
		"over Secrets":            {nil, errors.New(`creating Secret s: a quota or a limit of the namespace "few" refused it: exceeded quota: few, requested: secrets=1, used: secrets=2, limited: secrets=2`), ""},
		"over counted ConfigMaps": {nil, errors.New(`exceeded quota: few, requested: count/configmaps=1, used: count/configmaps=2, limited: count/configmaps=2`), ""},
		"over memory":             {nil, errors.New(`pods "p" is forbidden: exceeded quota: team, requested: requests.memory=64Mi, used: requests.memory=1Gi, limited: requests.memory=1Gi`), "exceeded quota: team"},
		"no quota":                {nil, errors.New(`pods "p" is forbidden: failed quota: team: must specify limits.cpu for: app`), ""},
		"out of pods":             {failed("OutOfpods"), no, "kubelet refused pod p: OutOfpods: because"},
		"out of CPU":              {failed("OutOfcpu"), no, "kubelet refused pod p: OutOfcpu: because"},
		"evicted":                 {failed("Evicted"), no, ""},
		"settled":                 {failed("OutOfpods"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			said := noRoom(row.pod, row.err)
			assert.Equal(t, row.says == "", said == "", said)
			assert.Contains(t, said, row.says)
		})
	}
}

// FuzzNoRoom: whatever a server says, only what has the form of its quota's refusal is
// taken for one.
func FuzzNoRoom(f *testing.F) {
	f.Add("exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3")
	f.Add("exceeded quota: , requested: ")
	f.Fuzz(func(t *testing.T, text string) {
		said := noRoom(nil, errors.New(text))
		if said != "" && (said != text || !strings.Contains(text, "exceeded quota: ") || !strings.Contains(text, ", requested: ")) {
			t.Fatalf("%q is taken for a quota's refusal", text)
		}
	})
}

func TestPlaces(t *testing.T) {
	p := newPlaces(3)
	for range 3 {
		p.take()
	}
	for _, pod := range []string{"one", "two", "own", "gone"} {
		p.created(pod)
	}
	gone := map[string]bool{"gone": true}
	there := func(pod string) bool { return !gone[pod] }
	limit, others := p.fewer("own", there)
	assert.Equal(t, 2, limit)
	assert.Equal(t, 2, others)
	limit, _ = p.fewer("own", there)
	assert.Zero(t, limit, "it is as it was")
	p.leave()
	took := make(chan struct{})
	go func() { p.take(); close(took) }()
	select {
	case <-took:
		t.Fatal("there are two at one time, and the limit is two")
	case <-time.After(20 * time.Millisecond):
	}
	p.leave()
	<-took
	p.leave()
	gone["one"], gone["two"] = true, true
	limit, others = p.fewer("own", there)
	assert.Equal(t, 1, limit, "at least one")
	assert.Zero(t, others)
	assert.Equal(t, 1, newPlaces(0).limit)

	r := &Runner{AtOnce: 40, Room: map[string]int{"full": 0, "small": 17, "large": 100}}
	for node, want := range map[string]int{"full": 1, "small": 17, "large": 40, "unknown": 40} {
		assert.Equal(t, want, r.placesOn(Target{Node: node}), node)
	}
}

// crowded is a bench with a quota of pods.
type crowded struct {
	*bench
	quota         int
	mu            sync.Mutex
	there, most   int
	tries, failed int
	created       map[string]bool // by manifest
}

func (c *crowded) Create(ctx context.Context, m Manifest) (*corev1.Pod, error) {
	c.mu.Lock()
	c.tries++
	if c.there >= c.quota {
		c.failed++
		c.mu.Unlock()
		return nil, fmt.Errorf(`creating pod: pods "p" is forbidden: exceeded quota: team, requested: pods=1, used: pods=%d, limited: pods=%d`, c.quota, c.quota)
	}
	c.there++
	c.created[m.File] = true
	c.most = max(c.most, c.there)
	c.mu.Unlock()
	return c.bench.Create(ctx, m)
}

func (c *crowded) Last(pod string) (*corev1.Pod, bool) {
	last, ok := c.Current(pod)
	return last, !ok
}

func (c *crowded) Discard(ctx context.Context, m Manifest) {
	c.bench.Discard(ctx, m)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.created[m.File] {
		time.AfterFunc(30*time.Millisecond, func() { // what its end takes
			c.bench.mu.Lock()
			delete(c.pods, m.Pod.Name)
			c.bench.mu.Unlock()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.there--
		})
	}
}

// TestCrowded: where a quota has room for fewer pods than asked for, the run has fewer
// at one time, and every case is judged; where it has room for none, it is said soon.
func TestCrowded(t *testing.T) {
	var cases []Case
	for i := range 12 {
		cases = append(cases, Case{ID: fmt.Sprintf("a/n%d", i), Fixture: fmt.Sprintf("fixture-%d.yaml", i), Judge: fixtureOnly, NoControl: "test"})
	}
	for _, row := range []struct {
		quota, atOnce, starting int
		want                    Outcome
	}{
		{3, 10, 10, Conformant},
		{3, 12, 3, Conformant}, // those that start hold none of the places to act in
		{0, 10, 10, Inconclusive},
	} {
		quota, want := row.quota, row.want
		c := &crowded{bench: newBench(), quota: quota, created: map[string]bool{}}
		c.observe = func(string, int) *probe.Snapshot {
			time.Sleep(10 * time.Millisecond) // what a look takes, so that pods are there at one time
			return nil
		}
		runner := runnerOn(t, c, cases...)
		runner.roomPace = roomPace{first: 5 * time.Millisecond, longest: 20 * time.Millisecond}
		runner.AtOnce, runner.Starting, runner.Parallel, runner.Timeout = row.atOnce, row.starting, row.starting, time.Minute
		for _, r := range runner.Run(t.Context()) {
			assert.Equal(t, want, r.Outcome, r.Reason)
			if want == Inconclusive {
				assert.Contains(t, r.Reason, "exceeded quota: team")
			}
		}
		assert.LessOrEqual(t, c.most, quota)
		if quota > 0 {
			assert.Positive(t, c.failed, "it was refused, and tried again")
		} else {
			assert.LessOrEqual(t, c.tries, runner.AtOnce*(2+aloneTries), "the last ones are not tried")
		}
	}
}
