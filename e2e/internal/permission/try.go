package permission

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"procns/e2e/internal/probe"
)

//go:embed try.sh
var tryScript string

// Attempt names operations to be tried on a process.
type Attempt struct {
	Name       string
	PID        int
	Operations []Operation
}

// TryCommand is the command that makes the attempts in a container.
func TryCommand(attempts ...Attempt) []string {
	command := []string{"sh", "-c", tryScript, "procns-try"}
	for _, a := range attempts {
		words := make([]string, len(a.Operations))
		for i, operation := range a.Operations {
			words[i] = string(operation)
		}
		command = append(command, a.Name, strconv.Itoa(a.PID), strings.Join(words, " "))
	}
	return command
}

// Tried is what one caller found.
type Tried struct {
	Self    Process
	Yama    Yama
	Targets map[string]Process
	Answers map[string]map[Operation]Answer // by the target's name
}

// Answer is the kernel's answer to an operation.
type Answer struct {
	Errno   probe.Errno // "" where it was allowed
	Message string
}

// Parse reads what the script printed. A process that ended meanwhile, an output
// that was cut short, and a line that the script cannot have printed are errors.
func Parse(output string) (Tried, error) {
	t := Tried{Yama: NoYama, Targets: map[string]Process{}, Answers: map[string]map[Operation]Answer{}}
	facts := map[string]map[string]string{}
	ended := false
	for line := range strings.Lines(output) {
		line = strings.TrimSuffix(line, "\n")
		kind, rest, _ := strings.Cut(line, " ")
		name, rest, _ := strings.Cut(rest, " ")
		key, value, _ := strings.Cut(rest, " ")
		switch {
		case ended:
			return t, fmt.Errorf("a line behind the end: %q", line)
		case line == "end":
			ended = true
		case kind == "fact" && strings.HasSuffix(key, ":"):
			if facts[name] == nil {
				facts[name] = map[string]string{}
			}
			facts[name][strings.TrimSuffix(key, ":")] = value
		case kind == "try" && slices.Contains(Operations(), Operation(key)):
			code, message, _ := strings.Cut(value, " ")
			number, err := strconv.Atoi(code)
			if err != nil {
				return t, fmt.Errorf("%s of %s: exit code: %w", key, name, err)
			}
			if t.Answers[name] == nil {
				t.Answers[name] = map[Operation]Answer{}
			}
			answer := Answer{Message: message}
			if number != 0 {
				answer.Errno = probe.ErrnoOf(message)
			}
			t.Answers[name][Operation(key)] = answer
		default:
			return t, fmt.Errorf("no line of the script's: %q", line)
		}
	}
	if !ended {
		return t, errors.New("the output was cut short")
	}
	for name, f := range facts {
		p, err := readProcess(f)
		if err != nil {
			return t, fmt.Errorf("process %s: %w", name, err)
		}
		if name == "self" {
			t.Self = p
		} else {
			t.Targets[name] = p
		}
	}
	if facts["self"] == nil {
		return t, errors.New("the caller said nothing of itself")
	}
	for name := range t.Answers {
		if _, ok := t.Targets[name]; !ok {
			return t, fmt.Errorf("nothing was said of process %s", name)
		}
	}
	if scope, ok := facts["self"]["yama"]; ok {
		n, err := strconv.Atoi(scope)
		if err != nil || n < 0 {
			return t, fmt.Errorf("ptrace_scope %q", scope)
		}
		t.Yama = Yama(n)
	}
	return t, nil
}

func readProcess(facts map[string]string) (Process, error) {
	var p Process
	var err error
	if p.UID, err = readIDs(facts["Uid"]); err != nil {
		return p, fmt.Errorf("user IDs: %w", err)
	}
	if p.GID, err = readIDs(facts["Gid"]); err != nil {
		return p, fmt.Errorf("group IDs: %w", err)
	}
	if p.Effective, err = strconv.ParseUint(facts["CapEff"], 16, 64); err != nil {
		return p, fmt.Errorf("effective capabilities: %w", err)
	}
	if p.Permitted, err = strconv.ParseUint(facts["CapPrm"], 16, 64); err != nil {
		return p, fmt.Errorf("permitted capabilities: %w", err)
	}
	owner, err := readNumbers(facts["owner"], 2)
	if err != nil {
		return p, fmt.Errorf("owner of its files: %w", err)
	}
	p.Owner = [2]int(owner)
	stat, err := probe.ParseStat(facts["stat"])
	p.Start = stat.StartTime
	return p, err
}

func readIDs(text string) (IDs, error) {
	n, err := readNumbers(text, 4)
	if err != nil {
		return IDs{}, err
	}
	return IDs{n[0], n[1], n[2], n[3]}, nil
}

func readNumbers(text string, count int) ([]int, error) {
	fields := strings.Fields(text)
	if len(fields) != count {
		return nil, fmt.Errorf("%d numbers expected, %q found", count, text)
	}
	numbers := make([]int, count)
	for i, field := range fields {
		n, err := strconv.ParseUint(field, 10, 32) // IDs are unsigned, of 32 bits
		if err != nil {
			return nil, err
		}
		numbers[i] = int(n)
	}
	return numbers, nil
}
