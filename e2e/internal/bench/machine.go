package bench

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// ThisMachine is what the system below root says of the machine. What it does not say is empty.
func ThisMachine(root string) Machine {
	read := func(file string) string {
		text, _ := os.ReadFile(filepath.Join(root, file)) // absent: another system
		return string(text)
	}
	kilobytes, _ := strconv.Atoi(firstWord(valueOf(read("proc/meminfo"), "MemTotal", ":")))
	const kilobytesOfGB = 1 << 20
	return Machine{
		Processor:  valueOf(read("proc/cpuinfo"), "model name", ":"),
		Processors: runtime.NumCPU(),
		MemoryGB:   (kilobytes + kilobytesOfGB/2) / kilobytesOfGB,
		System:     strings.Trim(valueOf(read("etc/os-release"), "PRETTY_NAME", "="), `"`),
		Kernel:     strings.TrimSpace(read("proc/sys/kernel/osrelease")),
	}
}

// valueOf is the value of the first line of that name.
func valueOf(text, name, separator string) string {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, separator)
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
