package oci

import (
	"slices"
	"strings"
)

// Command is a call of an OCI runtime: `runc [global flags] NAME [flags] ID [more]`.
type Command struct {
	// Args are all arguments, without the program's name.
	Args []string
	// Name is the command: "create", "exec", "kill", "delete", …; empty where there is none.
	Name string
	// flags are those of the command and the global ones, by their long names.
	flags map[string]string
	// rest are the places in Args of what is no flag: the container's ID first.
	rest []int
}

// long are the names of the flags that have a short one.
var long = map[string]string{"b": "bundle", "p": "process", "d": "detach", "a": "all", "f": "force", "c": "cap", "e": "env", "u": "user", "t": "tty"}

// withValue are the flags of runc 1.1 to 1.5 behind which a value follows. Those of
// `update` and other commands that nobody edits are left out: their IDs are not asked for.
var withValue = []string{
	"root", "log", "log-format", "criu", "rootless",
	"bundle", "console-socket", "pidfd-socket", "pid-file", "preserve-fds",
	"process", "cwd", "env", "user", "additional-gids", "process-label", "apparmor", "cap", "cgroup",
}

// ParseCommand reads the arguments of a call, without the program's name.
func ParseCommand(args []string) Command {
	c := Command{Args: slices.Clone(args), flags: map[string]string{}}
	for i := 0; i < len(args); i++ {
		flag, isFlag := strings.CutPrefix(args[i], "-")
		switch {
		case !isFlag || flag == "":
			if c.Name == "" {
				c.Name = args[i]
			} else {
				c.rest = append(c.rest, i)
			}
		default:
			name, value, given := strings.Cut(strings.TrimPrefix(flag, "-"), "=")
			if full, ok := long[name]; ok && !strings.HasPrefix(flag, "-") {
				name = full
			}
			if !given && slices.Contains(withValue, name) && i+1 < len(args) {
				i++
				value = args[i]
			}
			c.flags[name] = value
		}
	}
	return c
}

// Flag is a flag's value, empty where it has none.
func (c Command) Flag(name string) string { return c.flags[name] }

// Has tells whether a flag is given.
func (c Command) Has(name string) bool {
	_, ok := c.flags[name]
	return ok
}

// ID is the container's.
func (c Command) ID() string {
	if len(c.rest) == 0 {
		return ""
	}
	return c.Args[c.rest[0]]
}

// SetID calls for another container.
func (c *Command) SetID(id string) {
	if len(c.rest) > 0 {
		c.Args[c.rest[0]] = id
	}
}
