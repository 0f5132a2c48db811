package difference

import "strings"

// Class is the kind of a change: what a claim may turn on, or not.
type Class string

// The classes, in plain words: messages name them.
const (
	Field               Class = "shareProcessNamespace"
	HostNamespaces      Class = "host namespaces"
	RuntimeClass        Class = "runtime class"
	UserNamespace       Class = "user namespace"
	Users               Class = "users and groups"
	Command             Class = "command"
	Args                Class = "args"
	Environment         Class = "environment" // a variable that programs read, or one of the manifest's own
	EnvironmentAdded    Class = "added environment variable"
	CapabilitiesAsked   Class = "capabilities asked for"
	CapabilitiesDropped Class = "dropped capabilities"
	Privileges          Class = "privileges" // privileged, procMount
	PrivilegeEscalation Class = "no privilege escalation"
	Seccomp             Class = "seccomp profile"
	SeccompDefault      Class = "seccomp RuntimeDefault"
	AppArmor            Class = "AppArmor profile"
	AppArmorDefault     Class = "AppArmor RuntimeDefault"
	SELinux             Class = "SELinux options"
	SELinuxLevel        Class = "SELinux level"
	OtherImage          Class = "another image"
	SameImage           Class = "image by digest or from a mirror"
	PullPolicy          Class = "image pull policy"
	ContainerAdded      Class = "added container"
	ContainerRemoved    Class = "removed container"
	InitContainerAdded  Class = "added init container"
	EphemeralContainers Class = "ephemeral containers"
	Probes              Class = "probes"
	Hooks               Class = "lifecycle hooks"
	RestartPolicy       Class = "restart policy"
	GracePeriod         Class = "grace period"
	Deadline            Class = "active deadline"
	Terminal            Class = "stdin and tty"
	ReadOnlyRoot        Class = "read-only root filesystem"
	Volumes             Class = "volumes"
	VolumesAdded        Class = "added volumes"
	Resources           Class = "added resources"
	ResourcesChanged    Class = "changed resources"
	Tolerations         Class = "tolerations"
	Priority            Class = "priority"
	Placement           Class = "placement"
	ServiceAccount      Class = "service account"
	Names               Class = "host names, DNS and ports"
	TerminationMessage  Class = "termination message"
	Sysctls             Class = "sysctls"
	System              Class = "operating system"
	Labels              Class = "labels"
	Annotations         Class = "annotations"
	Finalizers          Class = "finalizers"
	ReadinessGates      Class = "readiness gates"
	// WorkloadSettings are those of what makes the pod: how many it makes, and when.
	WorkloadSettings Class = "the workload's own settings"
	// Unknown is whatever no table here names. It is decisive.
	Unknown Class = "something that procns does not know"
)

// harmless are the classes on which no claim turns, unless its case says so.
var harmless = map[Class]bool{
	EnvironmentAdded: true, CapabilitiesDropped: true, PrivilegeEscalation: true, SeccompDefault: true, AppArmorDefault: true,
	SELinuxLevel: true, SameImage: true, PullPolicy: true, VolumesAdded: true, Resources: true, ResourcesChanged: true,
	Tolerations: true, Priority: true, Placement: true, ServiceAccount: true, Names: true, TerminationMessage: true,
	Labels: true, Annotations: true, Finalizers: true, ReadinessGates: true,
}

// Harmless tells whether no claim turns on the class, unless its case says so.
func (c Class) Harmless() bool { return harmless[c] }

// Classes are all of them: what a case may name.
var Classes = []Class{
	Field, HostNamespaces, RuntimeClass, UserNamespace, Users, Command, Args, Environment, EnvironmentAdded, CapabilitiesAsked,
	CapabilitiesDropped, Privileges, PrivilegeEscalation, Seccomp, SeccompDefault, AppArmor, AppArmorDefault, SELinux, SELinuxLevel,
	OtherImage, SameImage, PullPolicy, ContainerAdded, ContainerRemoved, InitContainerAdded, EphemeralContainers, Probes, Hooks,
	RestartPolicy, GracePeriod, Deadline, Terminal, ReadOnlyRoot, Volumes, VolumesAdded, Resources, ResourcesChanged, Tolerations,
	Priority, Placement, ServiceAccount, Names, TerminationMessage, Sysctls, System, Labels, Annotations, Finalizers,
	ReadinessGates, WorkloadSettings, Unknown,
}

// ofPath says of each path of the API what class a change there is of. The longest
// path counts. "C" stands for a container of any of the three lists. What needs a
// look at the values as well is in classify.
var ofPath = map[string]Class{
	"metadata.labels":      Labels,
	"metadata.annotations": Annotations,
	"metadata.finalizers":  Finalizers,

	"spec.shareProcessNamespace": Field,
	"spec.hostPID":               HostNamespaces,
	"spec.hostIPC":               HostNamespaces,
	"spec.hostNetwork":           HostNamespaces,
	"spec.hostUsers":             UserNamespace,
	"spec.runtimeClassName":      RuntimeClass,
	"spec.restartPolicy":         RestartPolicy,
	"spec.os":                    System,

	"spec.securityContext.runAsUser":                Users,
	"spec.securityContext.runAsGroup":               Users,
	"spec.securityContext.runAsNonRoot":             Users,
	"spec.securityContext.supplementalGroups":       Users,
	"spec.securityContext.supplementalGroupsPolicy": Users,
	"spec.securityContext.fsGroup":                  Users,
	"spec.securityContext.fsGroupChangePolicy":      Users,
	"spec.securityContext.seccompProfile":           Seccomp,
	"spec.securityContext.appArmorProfile":          AppArmor,
	"spec.securityContext.seLinuxOptions":           SELinux,
	"spec.securityContext.seLinuxOptions.level":     SELinuxLevel,
	"spec.securityContext.seLinuxChangePolicy":      SELinux,
	"spec.securityContext.sysctls":                  Sysctls,

	"spec.terminationGracePeriodSeconds": GracePeriod,
	"spec.activeDeadlineSeconds":         Deadline,
	"spec.volumes":                       Volumes,
	"spec.overhead":                      Resources,
	"spec.resources":                     Resources,
	"spec.resourceClaims":                Resources,
	"spec.tolerations":                   Tolerations,
	"spec.priority":                      Priority,
	"spec.priorityClassName":             Priority,
	"spec.preemptionPolicy":              Priority,
	"spec.affinity":                      Placement,
	"spec.nodeSelector":                  Placement,
	"spec.nodeName":                      Placement,
	"spec.schedulerName":                 Placement,
	"spec.schedulingGates":               Placement,
	"spec.topologySpreadConstraints":     Placement,
	"spec.readinessGates":                ReadinessGates,
	"spec.serviceAccountName":            ServiceAccount,
	"spec.serviceAccount":                ServiceAccount,
	"spec.automountServiceAccountToken":  ServiceAccount,
	"spec.imagePullSecrets":              ServiceAccount,
	"spec.dnsPolicy":                     Names,
	"spec.dnsConfig":                     Names,
	"spec.hostAliases":                   Names,
	"spec.hostname":                      Names,
	"spec.hostnameOverride":              Names,
	"spec.subdomain":                     Names,
	"spec.setHostnameAsFQDN":             Names,
	"spec.enableServiceLinks":            Names,

	"C.image":                    OtherImage,
	"C.imagePullPolicy":          PullPolicy,
	"C.command":                  Command,
	"C.workingDir":               Command,
	"C.args":                     Args,
	"C.env":                      Environment,
	"C.envFrom":                  Environment,
	"C.ports":                    Names,
	"C.resources":                Resources,
	"C.resizePolicy":             ResourcesChanged,
	"C.volumeMounts":             Volumes,
	"C.volumeDevices":            Volumes,
	"C.livenessProbe":            Probes,
	"C.readinessProbe":           Probes,
	"C.startupProbe":             Probes,
	"C.lifecycle":                Hooks,
	"C.restartPolicy":            RestartPolicy,
	"C.restartPolicyRules":       RestartPolicy,
	"C.targetContainerName":      EphemeralContainers,
	"C.terminationMessagePath":   TerminationMessage,
	"C.terminationMessagePolicy": TerminationMessage,
	"C.stdin":                    Terminal,
	"C.stdinOnce":                Terminal,
	"C.tty":                      Terminal,

	"C.securityContext.capabilities.add":         CapabilitiesAsked,
	"C.securityContext.capabilities.drop":        CapabilitiesDropped,
	"C.securityContext.privileged":               Privileges,
	"C.securityContext.procMount":                Privileges,
	"C.securityContext.allowPrivilegeEscalation": PrivilegeEscalation,
	"C.securityContext.readOnlyRootFilesystem":   ReadOnlyRoot,
	"C.securityContext.runAsUser":                Users,
	"C.securityContext.runAsGroup":               Users,
	"C.securityContext.runAsNonRoot":             Users,
	"C.securityContext.seccompProfile":           Seccomp,
	"C.securityContext.appArmorProfile":          AppArmor,
	"C.securityContext.seLinuxOptions":           SELinux,
	"C.securityContext.seLinuxOptions.level":     SELinuxLevel,
}

// programsRead are the variables by which the manifests' programs are told what to
// do: the loader, the shell, nginx and its image's scripts. One of another name
// changes nothing in them.
func programsRead(variable string) bool {
	switch variable {
	case "PATH", "HOME", "ENV", "IFS", "PS1", "TERM", "NGINX":
		return true
	}
	return strings.HasPrefix(variable, "LD_") || strings.HasPrefix(variable, "NGINX_") || strings.HasPrefix(variable, "MALLOC_")
}

// appArmorAnnotation began the annotations that named a profile until v1.30.
const appArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/"

// classify is the class of the change at a path, from one value to another; nil
// stands for none.
func classify(at path, sent, stored any) Class {
	class := at.class(sent, stored)
	switch class {
	case Annotations:
		if strings.HasPrefix(at.key(), appArmorAnnotation) && stored != "runtime/default" {
			return AppArmor
		}
	case Seccomp:
		if at.last() == "type" && sent == nil && stored == "RuntimeDefault" {
			return SeccompDefault
		}
	case AppArmor:
		if at.last() == "type" && sent == nil && stored == "RuntimeDefault" {
			return AppArmorDefault
		}
	case PrivilegeEscalation:
		if stored != false {
			return Privileges
		}
	case CapabilitiesDropped:
		if stored == nil { // what the manifest drops is left
			return CapabilitiesAsked
		}
	case OtherImage:
		a, okA := sent.(string)
		b, okB := stored.(string)
		if okA && okB && sameImage(a, b) {
			return SameImage
		}
	case Environment:
		if sent == nil && at.isEntry("env") && !programsRead(at.key()) {
			return EnvironmentAdded
		}
	case Volumes:
		if sent == nil && (at.isEntry("volumes") || at.isEntry("volumeMounts")) {
			return VolumesAdded
		}
	case Resources:
		if sent != nil {
			return ResourcesChanged
		}
	}
	return class
}

// sameImage tells whether two references name one image: by its digest, or with the
// same repository's last name and tag, from whatever registry.
func sameImage(a, b string) bool {
	nameA, tagA, digestA := parts(a)
	nameB, tagB, digestB := parts(b)
	if digestA != "" && digestB != "" {
		return digestA == digestB
	}
	if nameA != nameB {
		return false
	}
	// A digest stands for whatever tag it was resolved from.
	return tagA == tagB || tagA == "" && digestA != "" || tagB == "" && digestB != ""
}

// parts are the last name of a reference's repository, its tag (without one and
// without a digest: latest) and its digest.
func parts(reference string) (name, tag, digest string) {
	reference, digest, _ = strings.Cut(reference, "@")
	name = reference[strings.LastIndex(reference, "/")+1:]
	name, tag, _ = strings.Cut(name, ":")
	if tag == "" && digest == "" {
		tag = "latest"
	}
	return name, tag, digest
}
