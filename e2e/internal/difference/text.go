package difference

import (
	"regexp"
	"slices"
	"strings"
)

// What says in a few words what the cluster does, without the container's name, so
// that what it does to many pods is said once: "drops capability MKNOD".
func (d Difference) What() string {
	entry := d.Entry()
	switch d.Class {
	case ContainerAdded:
		return "adds container " + entry
	case InitContainerAdded:
		return "adds init container " + entry
	case ContainerRemoved:
		return "removes container " + entry
	case EnvironmentAdded:
		return "adds environment variable " + entry
	case CapabilitiesDropped:
		if entry != "" {
			return "drops capability " + entry
		}
	case CapabilitiesAsked:
		switch added := strings.Contains(d.Path, ".capabilities.add["); {
		case added && d.Sent == "":
			return "adds capability " + entry
		case added:
			return "takes away capability " + entry + ", which the pod asks for"
		}
		return "no longer drops capability " + entry
	case VolumesAdded:
		if strings.Contains(d.Path, "volumeMounts[") {
			return "mounts a volume at " + entry
		}
		return "adds volume " + entry
	case SameImage:
		return "takes images by digest or from a mirror"
	}
	where := inContainer.ReplaceAllString(d.Path, "$1[*]")
	switch {
	case d.Sent == "":
		return "sets " + where + " to " + short(d.Stored)
	case d.Stored == "":
		return "removes " + where + ", sent as " + short(d.Sent)
	}
	return "changes " + where + " from " + short(d.Sent) + " to " + short(d.Stored)
}

var inContainer = regexp.MustCompile(`(?i)^(spec\.[a-z]*containers)\[[^\]]*\]`)

// String is What, with the container's name.
func (d Difference) String() string {
	what := d.What()
	if d.Container != "" && !strings.HasSuffix(what, " "+d.Container) {
		what += " (container " + d.Container + ")"
	}
	return what
}

// short keeps a message on one line.
func short(value string) string {
	const most = 120
	runes := []rune(value)
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return value
}

// Say joins differences into one text; what is said of several containers is said
// once.
func Say(differences []Difference) string {
	var all []string
	for _, d := range differences {
		if text := d.String(); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, "; ")
}
