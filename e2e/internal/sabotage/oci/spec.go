// Package oci reads and edits what a container runtime is called with: its command
// line, a bundle's config.json, and the process that an exec is to start. Whatever it
// does not know stays as it was.
package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Object is a JSON object. Numbers keep their digits.
type Object map[string]any

// Parse reads a JSON object.
func Parse(text []byte) (Object, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var o Object
	if err := decoder.Decode(&o); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, fmt.Errorf("null is no object")
	}
	if decoder.More() {
		return nil, fmt.Errorf("there is something behind the object")
	}
	return o, nil
}

// Bytes is the object as text.
func (o Object) Bytes() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(o)
	return text.Bytes(), err
}

// EditFile has an object that stands in a file changed. The file keeps its mode.
func EditFile(name string, change func(Object) error) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	o, err := Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := change(o); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if text, err = o.Bytes(); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600)
}

func (o Object) text(name string) string {
	text, _ := o[name].(string)
	return text
}

func (o Object) texts(name string) []string {
	var all []string
	for _, item := range o.list(name) {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

func (o Object) list(name string) []any {
	list, _ := o[name].([]any)
	return list
}

// object is a member that is an object; nil where there is none.
func (o Object) object(name string) Object {
	switch member := o[name].(type) {
	case map[string]any:
		return member
	case Object:
		return member
	}
	return nil
}

// make is the member, created where there is none.
func (o Object) make(name string) Object {
	member := o.object(name)
	if member == nil {
		member = Object{}
		o[name] = member
	}
	return member
}

func anys[T any](list []T) []any {
	all := make([]any, 0, len(list))
	for _, item := range list {
		all = append(all, item)
	}
	return all
}

// Spec is a bundle's config.json, as containerd's CRI plugin writes it.
type Spec struct{ Object }

// The annotations by which containerd tells what a container is.
const (
	annotationType    = "io.kubernetes.cri.container-type"
	annotationSandbox = "io.kubernetes.cri.sandbox-id"
	annotationName    = "io.kubernetes.cri.container-name"
)

func (s Spec) annotation(name string) string { return s.object("annotations").text(name) }

// IsSandbox tells whether the container is the pod's sandbox.
func (s Spec) IsSandbox() bool { return s.annotation(annotationType) == "sandbox" }

// IsContainer tells whether the container is one of a pod's.
func (s Spec) IsContainer() bool { return s.annotation(annotationType) == "container" }

// SandboxID is the ID of the pod's sandbox.
func (s Spec) SandboxID() string { return s.annotation(annotationSandbox) }

// ContainerName is the container's name in the pod.
func (s Spec) ContainerName() string { return s.annotation(annotationName) }

// CgroupsPath is where the container's control group is to be; it holds the pod's UID.
func (s Spec) CgroupsPath() string { return s.object("linux").text("cgroupsPath") }

// Namespace returns the path of the namespace that the container joins, empty where it
// gets a new one; ok is false where it stays in the node's.
func (s Spec) Namespace(kind string) (path string, ok bool) {
	for _, item := range s.object("linux").list("namespaces") {
		if n, isObject := item.(map[string]any); isObject && n["type"] == kind {
			return Object(n).text("path"), true
		}
	}
	return "", false
}

// JoinNamespace has the container join the namespace at a path. An empty path gives it
// a new one.
func (s Spec) JoinNamespace(kind, path string) {
	s.LeaveNamespace(kind)
	namespace := map[string]any{"type": kind}
	if path != "" {
		namespace["path"] = path
	}
	linux := s.make("linux")
	linux["namespaces"] = append(linux.list("namespaces"), namespace)
}

// LeaveNamespace has the container stay in the node's namespace.
func (s Spec) LeaveNamespace(kind string) {
	linux := s.make("linux")
	linux["namespaces"] = slices.DeleteFunc(slices.Clone(linux.list("namespaces")), func(item any) bool {
		n, isObject := item.(map[string]any)
		return isObject && n["type"] == kind
	})
}

var procNamespace = regexp.MustCompile(`^/proc/([0-9]+)/ns/`)

// NamespaceOwner is the PID in a path such as /proc/PID/ns/pid, or "".
func NamespaceOwner(path string) string {
	if found := procNamespace.FindStringSubmatch(path); found != nil {
		return found[1]
	}
	return ""
}

// SandboxPID is the PID, on the node, of the sandbox whose IPC or UTS namespace the
// container joins; "" where it joins none by a PID.
func (s Spec) SandboxPID() string {
	for _, kind := range []string{"ipc", "uts", "network"} {
		if path, _ := s.Namespace(kind); NamespaceOwner(path) != "" {
			return NamespaceOwner(path)
		}
	}
	return ""
}

// SharesPID tells whether the container joins its sandbox's PID namespace.
func (s Spec) SharesPID() bool {
	path, _ := s.Namespace("pid")
	return path != "" && NamespaceOwner(path) == s.SandboxPID()
}

// Process is what the container runs first.
func (s Spec) Process() Process { return Process{s.make("process")} }

// MountSources are the sources of all mounts.
func (s Spec) MountSources() []string {
	var all []string
	for _, item := range s.list("mounts") {
		if m, ok := item.(map[string]any); ok {
			all = append(all, Object(m).text("source"))
		}
	}
	return all
}

// Bind mounts a file of the node over one of the container's, read-only.
func (s Spec) Bind(source, destination string) {
	s.Object["mounts"] = append(s.list("mounts"), map[string]any{
		"type": "bind", "source": source, "destination": destination, "options": anys([]string{"bind", "ro"}),
	})
}

// AddMountOption adds an option to the mount at a destination, and tells whether there is one.
func (s Spec) AddMountOption(destination, option string) bool {
	for _, item := range s.list("mounts") {
		if m, ok := item.(map[string]any); ok && m["destination"] == destination {
			m["options"] = append(Object(m).list("options"), option)
			return true
		}
	}
	return false
}

// RootPath is the container's root filesystem, and SetReadOnlyRoot whether it is
// mounted read-only.
func (s Spec) RootPath() string { return s.object("root").text("path") }

// ReadOnlyRoot tells whether the root filesystem is to be read-only.
func (s Spec) ReadOnlyRoot() bool { return s.object("root")["readonly"] == true }

// SetReadOnlyRoot says whether the root filesystem is to be read-only.
func (s Spec) SetReadOnlyRoot(readOnly bool) { s.make("root")["readonly"] = readOnly }

// AnswerSyscall has seccomp answer a system call with an error number without doing it:
// 0 is success. Where a filter is there, the call is taken out of its rules.
func (s Spec) AnswerSyscall(name string, errno int) {
	linux := s.make("linux")
	filter := linux.object("seccomp")
	if filter == nil {
		filter = Object{"defaultAction": "SCMP_ACT_ALLOW"}
	}
	var rules []any
	for _, item := range filter.list("syscalls") {
		rule, ok := item.(map[string]any)
		if !ok {
			continue
		}
		names := slices.DeleteFunc(Object(rule).texts("names"), func(n string) bool { return n == name })
		if rule["names"] = anys(names); len(names) > 0 {
			rules = append(rules, rule)
		}
	}
	filter["syscalls"] = append(rules, answered(name, errno))
	linux["seccomp"] = filter
}

// AnswerRequest does the same to a call whose second argument, such as ioctl's request, has
// one value. Where a filter is there, it stays as it is: a rule of its own for the whole call
// would stand against this one.
func (s Spec) AnswerRequest(name string, request uint64, errno int) {
	linux := s.make("linux")
	if linux.object("seccomp") != nil {
		return
	}
	rule := answered(name, errno)
	rule["args"] = []any{map[string]any{"index": 1, "value": request, "op": "SCMP_CMP_EQ"}}
	linux["seccomp"] = Object{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []any{rule}}
}

func answered(name string, errno int) map[string]any {
	return map[string]any{"names": anys([]string{name}), "action": "SCMP_ACT_ERRNO", "errnoRet": errno}
}

// Process is the process of a container or of an exec.
type Process struct{ Object }

// Args are the process's arguments.
func (p Process) Args() []string { return p.texts("args") }

// SetArgs replaces the arguments.
func (p Process) SetArgs(args ...string) { p.Object["args"] = anys(args) }

// Terminal tells whether the process has a terminal.
func (p Process) Terminal() bool { return p.Object["terminal"] == true }

// SetUser has the process run as root or as another user.
func (p Process) SetUser(uid, gid int) { p.Object["user"] = map[string]any{"uid": uid, "gid": gid} }

// SetEnv gives a variable a value.
func (p Process) SetEnv(name, value string) {
	p.KeepEnv(func(n string) bool { return n != name })
	p.Object["env"] = append(p.list("env"), name+"="+value)
}

// KeepEnv removes the variables whose names are not to be kept.
func (p Process) KeepEnv(keep func(name string) bool) {
	p.Object["env"] = anys(slices.DeleteFunc(p.texts("env"), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !keep(name)
	}))
}

// Capabilities are those of one set, such as "bounding".
func (p Process) Capabilities(set string) []string { return p.object("capabilities").texts(set) }

// DropCapability takes a capability, such as CAP_KILL, out of every set.
func (p Process) DropCapability(name string) {
	sets := p.object("capabilities")
	for set := range sets {
		if kept := slices.DeleteFunc(sets.texts(set), func(c string) bool { return c == name }); sets[set] != nil {
			sets[set] = anys(kept)
		}
	}
}
