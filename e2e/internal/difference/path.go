package difference

import "strings"

// segment is one step of a path: a field's name, or the key of an entry.
type segment struct {
	name string
	key  bool
}

// path leads to a value of a pod.
type path []segment

func (p path) with(s segment) path { return append(p[:len(p):len(p)], s) }

func (p path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.key:
			b.WriteString("[" + s.name + "]")
		case i > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

func (p path) last() string { return p[len(p)-1].name }

func (p path) isKey() bool { return p[len(p)-1].key }

// key is the last entry's key on the path, or "".
func (p path) key() string {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i].key {
			return p[i].name
		}
	}
	return ""
}

// isEntry tells whether the path ends with an entry of the named list.
func (p path) isEntry(list string) bool {
	return len(p) > 1 && p.isKey() && p[len(p)-2].name == list
}

var containerLists = []string{"spec.containers[]", "spec.initContainers[]", "spec.ephemeralContainers[]"}

// container is the container that the path leads into, or "".
func (p path) container() string {
	if len(p) > 2 && p[2].key && strings.HasSuffix(strings.ToLower(p[1].name), "containers") {
		return p[2].name
	}
	return ""
}

// pattern is the path without the names of entries; what is inside of a container
// begins with "C".
func (p path) pattern() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.key:
			b.WriteString("[]")
		case i > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	pattern := b.String()
	for _, list := range containerLists {
		if inside, ok := strings.CutPrefix(pattern, list+"."); ok {
			return "C." + inside
		}
	}
	return pattern
}

// class is what the table says of the path, or of the longest one above it.
func (p path) class(sent, stored any) Class {
	switch pattern := p.pattern(); pattern {
	case "spec.containers[]", "spec.initContainers[]":
		object, _ := stored.(map[string]any)
		switch {
		case stored == nil:
			return ContainerRemoved
		case pattern == "spec.initContainers[]" && object["restartPolicy"] != "Always":
			return InitContainerAdded
		}
		return ContainerAdded
	case "spec.ephemeralContainers[]":
		return EphemeralContainers
	default:
		for pattern != "" {
			if class, ok := ofPath[pattern]; ok {
				return class
			}
			pattern = above(pattern)
		}
	}
	return Unknown
}

// above is the pattern without its last step.
func above(pattern string) string {
	if list, ok := strings.CutSuffix(pattern, "[]"); ok {
		return list
	}
	return pattern[:max(0, strings.LastIndex(pattern, "."))]
}
