package exempt

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The lists that come with the suite: what upstream knows not to hold on a runtime.
//
//go:embed builtin/*.yaml
var builtin embed.FS

// prefix begins the name of a list of the suite's own, where a file's could stand.
const prefix = "builtin:"

// classes are the targets that a list is for unless others are named: those of the
// RuntimeClasses that the runtime's own documentation creates.
var classes = map[string]string{"gvisor": "*/gvisor", "kata": "*/kata*"}

// IsBuiltin tells whether a name is that of a list of the suite's own.
func IsBuiltin(name string) bool { return strings.HasPrefix(name, prefix) }

// Builtin returns a list of the suite's own as the text of a file. Its name is
// builtin:LIST, or builtin:LIST@TARGETS for targets of other names, such as
// builtin:gvisor@*/sandboxed.
func Builtin(name string) ([]byte, error) {
	list, targets, given := strings.Cut(strings.TrimPrefix(name, prefix), "@")
	if !given {
		targets = classes[list]
	}
	text, err := builtin.ReadFile(path.Join("builtin", list+".yaml"))
	if !IsBuiltin(name) || err != nil {
		return nil, fmt.Errorf("there is no list %q: the suite's own are %s", name, strings.Join(Builtins(), " and "))
	}
	if strings.TrimSpace(targets) == "" {
		return nil, fmt.Errorf("%s names no targets: expected %s%s@TARGETS, such as %s%s@*/sandboxed", name, prefix, list, prefix, list)
	}
	quoted, err := json.Marshal(targets)
	if err != nil {
		return nil, err
	}
	return []byte(strings.ReplaceAll(string(text), "target: TARGETS", "target: "+string(quoted))), nil
}

// Builtins are the names of the suite's own lists.
func Builtins() []string {
	var names []string
	for list := range classes {
		names = append(names, prefix+list)
	}
	slices.Sort(names)
	return names
}
