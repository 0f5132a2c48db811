package suite

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"procns/e2e/internal/probe"
)

// RunLabel is on every object that a run creates, with the run's ID.
const RunLabel = "procns.run"

// NodeLabel is on the pods of a sweep that are deleted together with those of other nodes: the IDOfNode of
// that on which they run.
const NodeLabel = "procns.node"

// IDOfNode stands for a node's name, which is longer than a label may be.
func IDOfNode(name string) string {
	const bytes = 10
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:bytes])
}

// Manifest is a decoded fixture: one pod, or the workload that makes it, and the
// Secrets and ConfigMaps that it mounts.
type Manifest struct {
	File string
	// Pod may list ephemeral containers, which the API server refuses in a new
	// pod: they are added when it runs.
	Pod *corev1.Pod
	// Workload makes the pod, whose template Pod then is; nil for a plain pod.
	Workload   runtime.Object
	Secrets    []*corev1.Secret
	ConfigMaps []*corev1.ConfigMap
	// Markers are the random texts planted in place of MARKER-name.
	Markers map[string]string
	// Documented are the images that the manifest names, by container, whatever is used
	// in their place.
	Documented map[string]string
}

var markerName = regexp.MustCompile(`MARKER-([a-z0-9-]+)`)

// DecodeManifest reads a fixture strictly: an unknown or repeated field is an
// error. Each MARKER-name in it becomes a random text of its own, the same
// wherever the name stands.
func DecodeManifest(file string, raw []byte) (Manifest, error) { return DecodePlanted(file, raw, nil) }

// DecodePlanted is DecodeManifest with the texts that are known for markers, as of a pod that is
// there already: those that are not, it makes.
func DecodePlanted(file string, raw []byte, known map[string]string) (Manifest, error) {
	m := Manifest{File: file, Markers: merged(known, nil)}
	raw = markerName.ReplaceAllFunc(raw, func(found []byte) []byte {
		name := strings.TrimPrefix(string(found), "MARKER-")
		if m.Markers[name] == "" {
			m.Markers[name] = "marker" + probe.RandomHex(10)
		}
		return []byte(m.Markers[name])
	})
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(raw)))
	defer func() { _ = documents.Close() }()
	buffer := make([]byte, len(raw)+1)
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return m, fmt.Errorf("fixture %s: %w", file, err)
		}
		if err := m.decode(buffer[:n]); err != nil {
			return m, fmt.Errorf("fixture %s: %w", file, err)
		}
	}
	if m.Pod == nil {
		return m, fmt.Errorf("fixture %s: holds no Pod", file)
	}
	return m, nil
}

// SameSpec tells whether two manifests describe the same pod, whatever its name.
// A fixture that is its own control cannot prove anything.
func SameSpec(a, b []byte) bool {
	spec := func(raw []byte) *corev1.PodSpec {
		// With the same texts in both, only what the manifests say can differ.
		m, err := DecodeManifest("", bytes.ReplaceAll(raw, []byte("MARKER-"), []byte("marker-")))
		if err != nil {
			return nil // said where it is decoded to be created
		}
		return &m.Pod.Spec
	}
	specA, specB := spec(a), spec(b)
	return specA != nil && specB != nil && reflect.DeepEqual(specA, specB)
}

func (m *Manifest) decode(document []byte) error {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Pod":
		if m.Pod != nil {
			return errors.New("holds more than one Pod")
		}
		m.Pod = &corev1.Pod{}
		return yaml.UnmarshalStrict(document, m.Pod)
	case "v1 Secret":
		secret := &corev1.Secret{}
		m.Secrets = append(m.Secrets, secret)
		return yaml.UnmarshalStrict(document, secret)
	case "v1 ConfigMap":
		configMap := &corev1.ConfigMap{}
		m.ConfigMaps = append(m.ConfigMaps, configMap)
		return yaml.UnmarshalStrict(document, configMap)
	case " ":
		return nil // comments only
	}
	if workload, ok := newWorkload(kind.APIVersion, kind.Kind); ok {
		if m.Pod != nil {
			return errors.New("holds more than one Pod")
		}
		m.Workload = workload
		if err := yaml.UnmarshalStrict(document, m.Workload); err != nil {
			return err
		}
		parts := partsOf(m.Workload)
		m.Pod = &corev1.Pod{ObjectMeta: parts.template.ObjectMeta, Spec: parts.template.Spec}
		m.Pod.Name = parts.meta.Name
		return nil
	}
	return fmt.Errorf("holds a %s %s; only v1 Pod, Secret and ConfigMap and the workloads of apps/v1 and batch/v1 are known", kind.APIVersion, kind.Kind)
}

func merged(a, b map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}
