package simulated

import (
	"crypto/sha256"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// Fault is what is wrong with a node.
type Fault string

// The faults that a node can have.
const (
	Sound    Fault = ""
	Isolated Fault = "isolated" // each container has a PID namespace of its own, whatever the pod asks for
	Silent   Fault = "silent"   // its kubelet never answers an exec
)

// FaultAnnotation is on nodes that are not sound, with their fault: for people, and for the check of
// what a run found. The suite does not read it.
const FaultAnnotation = "simulated.procns/fault"

// Fleet is how many nodes there are, and how many of them are faulty: every other one of those is
// Isolated, the others Silent. They lie apart, and none is the first of its kind.
type Fleet struct{ Nodes, Faulty int }

// kinds is how many kinds of node there are (kernel and runtime version).
const kinds = 4

// Check says what is wrong with the numbers.
func (f Fleet) Check() error {
	if f.Nodes < 1 || f.Nodes > 99999 {
		return fmt.Errorf("%d nodes: from 1 to 99999 can be simulated", f.Nodes)
	}
	if f.Faulty < 0 || f.Faulty > max(0, f.Nodes-kinds) {
		return fmt.Errorf("%d faulty nodes of %d: the first of each of %d kinds is sound", f.Faulty, f.Nodes, kinds)
	}
	return nil
}

// Name is that of the node of a number.
func (f Fleet) Name(i int) string { return fmt.Sprintf("simulated-%05d", i) }

// Fault is that of the node of a number.
func (f Fleet) Fault(i int) Fault {
	if f.Faulty == 0 || i < kinds {
		return Sound
	}
	// The faulty ones are in the middle of as many parts of about equal length. At the end of the fleet one
	// that never answers would be waited for when all others have answered.
	span := f.Nodes - kinds
	middle := func(part int) int { return kinds + (2*part+1)*span/(2*f.Faulty) }
	part := (i - kinds) * f.Faulty / span
	if part+1 < f.Faulty && middle(part+1) == i {
		part++ // middles are rounded down
	}
	switch {
	case middle(part) != i:
		return Sound
	case part%2 == 0:
		return Isolated
	}
	return Silent
}

// Faults are the nodes that are not sound, by name.
func (f Fleet) Faults() map[string]Fault {
	faults := map[string]Fault{}
	for i := range f.Nodes {
		if fault := f.Fault(i); fault != Sound {
			faults[f.Name(i)] = fault
		}
	}
	return faults
}

// KernelOf is the kernel of a node: no two have the same.
func KernelOf(node string) probe.Kernel {
	sum := sha256.Sum256([]byte(node))
	const epoch = 1767225600 // 2026-01-01
	return probe.Kernel{
		BootID:   fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]),
		Release:  fmt.Sprintf("6.12.%d-simulated", kindOfNode(node)/2),
		BootTime: epoch + uint64(sum[16]),
	}
}

// kindOfNode is the number of a node's kind, by its name.
func kindOfNode(name string) int {
	var i int
	if _, err := fmt.Sscanf(name, "simulated-%d", &i); err != nil {
		return 0
	}
	return i % kinds
}

// Node is the node of a number, as its kubelet on this port of the local machine would register it. KWOK
// makes it Ready. It is as large as one that has run a while: a node's status lists the images it has.
func (f Fleet) Node(i int, port int32, version string) *corev1.Node {
	name := f.Name(i)
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname: name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
				corev1.LabelTopologyZone: fmt.Sprintf("zone-%d", i%3), corev1.LabelInstanceTypeStable: "simulated",
			},
			Annotations: map[string]string{suite.SimulatedAnnotation: "fake"},
		},
		Status: corev1.NodeStatus{
			Capacity: room, Allocatable: room, Images: images(),
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}, {Type: corev1.NodeHostName, Address: name},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: port}},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture: "amd64", OperatingSystem: "linux", OSImage: "Simulated Linux",
				BootID: KernelOf(name).BootID, KernelVersion: KernelOf(name).Release, MachineID: name, SystemUUID: name,
				ContainerRuntimeVersion: fmt.Sprintf("simulated://1.%d", kindOfNode(name)%2),
				KubeletVersion:          version,
			},
		},
	}
	if fault := f.Fault(i); fault != Sound {
		node.Annotations[FaultAnnotation] = string(fault)
	}
	return node
}

// images are as many as a node tells of at most, unless its kubelet is configured otherwise.
func images() []corev1.ContainerImage {
	const most, megabyte = 50, 1 << 20
	var all []corev1.ContainerImage
	for i := range most {
		digest := sha256.Sum256([]byte{byte(i)})
		name := fmt.Sprintf("registry.example/team-%d/service-%d", i%7, i)
		all = append(all, corev1.ContainerImage{
			Names: []string{fmt.Sprintf("%s@sha256:%x", name, digest), name + ":v1.0." + fmt.Sprint(i)}, SizeBytes: int64(100+i) * megabyte,
		})
	}
	return all
}
