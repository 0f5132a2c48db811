package options

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Shell is one whose completion there is.
type Shell string

// The shells whose completion there is.
const (
	Bash Shell = "bash"
	Zsh  Shell = "zsh"
	Fish Shell = "fish"
)

// What completes the value of a flag besides words.
const (
	files    = "files"
	folders  = "folders"
	caseIDs  = "cases"    // IDs and areas, by -list
	contexts = "contexts" // of the kubeconfig, by kubectl
)

// completes says what completes the values of flags: words, or one of the kinds above.
var completes = map[string][]string{
	"profile": {"sweep", "core", "full"}, "level": {"core", "extended", "informational"}, "require": {"core", "extended"}, "phase": {"before", "after"},
	"o": {"text", "json", "markdown"}, "progress": {"auto", "lines", "json"}, "completion": {"bash", "zsh", "fish"},
	"engine": {"docker", "podman", "nerdctl"}, "nodes": {"sample", "all"}, "tolerate": {"all"}, "runtime-classes": {"default"},
	"print-exempt": {"builtin:gvisor", "builtin:kata"}, "image": {"busybox=", "nginx=", "pause="},
	"exempt": {"builtin:gvisor", "builtin:kata", files},
	"run":    {caseIDs}, "skip": {HostPID, caseIDs}, "context": {contexts}, "report-dir": {folders}, "resume": {folders},
}

// completed is a flag as a shell completes it.
type completed struct {
	name, about string
	takes       bool // a value
	words       []string
	kinds       map[string]bool // of what completes the value besides
}

func (o *Options) completed() []completed {
	flags, groups := o.define()
	var all []completed
	for _, g := range groups {
		for _, name := range g.Names {
			f := flags.Lookup(name)
			placeholder, about := flag.UnquoteUsage(f)
			about, _, _ = strings.Cut(about, " (")
			about, _, _ = strings.Cut(about, ": ")
			c := completed{name: name, about: strings.TrimSuffix(about, ":"), takes: placeholder != "", kinds: map[string]bool{}}
			for _, one := range completes[name] {
				switch one {
				case files, folders, caseIDs, contexts:
					c.kinds[one] = true
				default:
					c.words = append(c.words, one)
				}
			}
			if strings.HasPrefix(placeholder, "file") || strings.HasPrefix(placeholder, "archive") || strings.Contains(placeholder, ".json") {
				c.kinds[files] = true
			}
			all = append(all, c)
		}
	}
	return append(all, completed{name: "help", about: "list the flags"})
}

// WriteCompletion prints what completes the flags in a shell. Cases are asked for with
// -list when they are needed, so that they are those of the program that is called.
func WriteCompletion(w io.Writer, shell Shell) error {
	var o Options
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(out, format, args...) }
	switch shell {
	case Zsh:
		writeZsh(p, o.completed())
	case Fish:
		writeFish(p, o.completed())
	default:
		writeBash(p, o.completed())
	}
	return out.Flush()
}

func writeBash(p func(string, ...any), all []completed) {
	p("# bash completion of procns.test: source <(procns.test -completion bash)\n\n")
	p("_procns_cases() {\n\t\"$1\" -list 2>/dev/null | while read -r id _; do printf '%%s\\n%%s\\n' \"$id\" \"${id%%%%/*}\"; done | sort -u\n}\n\n")
	p("_procns() {\n\tlocal word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]} words='' listed=''\n")
	// Bash takes = for the end of a word.
	p("\tif [[ $word == = ]]; then\n\t\tword=''\n\telif [[ $flag == = ]]; then\n\t\tflag=${COMP_WORDS[COMP_CWORD - 2]}\n\tfi\n\tCOMPREPLY=()\n")
	p("\tcase ${flag/#--/-} in\n")
	for _, c := range all {
		if !c.takes {
			continue
		}
		p("\t-%s)", c.name)
		if len(c.words) > 0 {
			p(" words='%s'", strings.Join(c.words, " "))
		}
		if c.kinds[caseIDs] {
			p(" words+=\" $(_procns_cases \"${COMP_WORDS[0]}\")\" listed=${word%%\"${word##*,}\"}")
		}
		if c.kinds[contexts] {
			p(" words=$(kubectl config get-contexts --output=name 2>/dev/null)")
		}
		switch {
		case c.kinds[files]:
			p(" mapfile -t COMPREPLY < <(compgen -f -- \"$word\")")
		case c.kinds[folders]:
			p(" mapfile -t COMPREPLY < <(compgen -d -- \"$word\")")
		case len(c.words) == 0 && len(c.kinds) == 0:
			p(" return")
		}
		p(" ;;\n")
	}
	p("\t*) words='")
	for i, c := range all {
		if i > 0 {
			p(" ")
		}
		p("-%s", c.name)
	}
	p("' ;;\n\tesac\n")
	p("\tlocal reply\n\tmapfile -t reply < <(compgen -W \"$words\" -- \"${word#\"$listed\"}\")\n")
	p("\tCOMPREPLY+=(\"${reply[@]/#/$listed}\")\n}\n\ncomplete -o bashdefault -F _procns procns.test procns\n")
}

// quoted is a text between single quotes, as zsh and fish read it.
func quoted(shell Shell, text string) string {
	if shell == Fish {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
	}
	return "'" + strings.ReplaceAll(text, `'`, `'\''`) + "'"
}

func writeZsh(p func(string, ...any), all []completed) {
	p("#compdef procns.test procns\n# zsh completion of procns.test: source <(procns.test -completion zsh)\n\n")
	p("_procns_cases() {\n\tlocal -a ids=(${${(f)\"$(${words[1]} -list 2>/dev/null)\"}%%%% *})\n\tids+=(${(u)ids%%%%/*})\n\tcompset -P '*,'\n\tcompadd -q -S , -- $ids\n}\n\n")
	p("_procns_contexts() {\n\tcompadd -- ${(f)\"$(kubectl config get-contexts --output=name 2>/dev/null)\"}\n}\n\n")
	p("_procns() {\n\t_arguments -S \\\n")
	about := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`)
	for i, c := range all {
		spec := fmt.Sprintf("-%s[%s]", c.name, about.Replace(c.about))
		if c.takes {
			var with []string
			if len(c.words) > 0 {
				with = append(with, "("+strings.ReplaceAll(strings.Join(c.words, " "), ":", `\:`)+")")
			}
			switch {
			case c.kinds[caseIDs]:
				with = []string{"_procns_cases"}
			case c.kinds[contexts]:
				with = []string{"_procns_contexts"}
			case c.kinds[files]:
				with = []string{"_files"}
			case c.kinds[folders]:
				with = []string{"_files -/"}
			}
			spec = "*" + spec + ":" + c.name + ":" + strings.Join(with, "")
		}
		end := " \\\n"
		if i == len(all)-1 {
			end = "\n"
		}
		p("\t\t%s%s", quoted(Zsh, spec), end)
	}
	p("}\n\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n\t_procns \"$@\"\nelse\n\tcompdef _procns procns.test procns\nfi\n")
}

func writeFish(p func(string, ...any), all []completed) {
	p("# fish completion of procns.test: procns.test -completion fish | source\n\n")
	p("function __procns_cases\n\tset -l program (commandline --tokenize --current-process)[1]\n")
	p("\tset -l ids ($program -list 2>/dev/null | string replace --regex ' .*' '')\n")
	p("\tprintf '%%s\\n' $ids (string replace --regex '/.*' '' $ids | sort -u)\nend\n\n")
	for _, program := range []string{"procns.test", "procns"} {
		p("complete --command %s --no-files\n", program)
		for _, c := range all {
			p("complete --command %s --old-option %s", program, c.name)
			switch {
			case c.kinds[files] || c.kinds[folders]:
				p(" --require-parameter --force-files")
			case c.takes:
				p(" --exclusive")
			}
			with := strings.Join(c.words, " ")
			if c.kinds[caseIDs] {
				with = strings.TrimSpace(with + " (__procns_cases)")
			}
			if c.kinds[contexts] {
				with = "(kubectl config get-contexts --output=name 2>/dev/null)"
			}
			if with != "" {
				p(" --arguments %s", quoted(Fish, with))
			}
			p(" --description %s\n", quoted(Fish, c.about))
		}
	}
}
