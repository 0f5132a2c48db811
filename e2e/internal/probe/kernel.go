package probe

import (
	"regexp"
	"strconv"
	"strings"
)

// Kernel is what a container shows of the kernel that it runs under. A namespace's
// number, and a process's PID and start time, are told from others by the same kernel
// only: where each pod has a kernel of its own, as under gVisor and Kata, they repeat.
type Kernel struct {
	// BootID is /proc/sys/kernel/random/boot_id (random(4)). gVisor gives each mount of
	// /proc another one: two that differ are no proof of two kernels.
	BootID string `json:"bootID,omitempty"`
	// Release is /proc/sys/kernel/osrelease.
	Release string `json:"release,omitempty"`
	// BootTime is when it booted, in seconds since 1970 (btime of /proc/stat, proc(5)); it
	// moves when the clock is set.
	BootTime uint64 `json:"bootTime,omitempty"`
}

// Kernels says whether what was seen of two kernels is of one or of two.
type Kernels int

// The answers. Unknown is that of kernels of which too little could be read, too.
const (
	KernelsUnknown Kernels = iota
	OneKernel
	TwoKernels
)

// clockStep is by how many seconds two readings of one kernel's boot time may differ
// without anybody having set the clock.
const clockStep = 1

// Beside compares two kernels. One boot ID is one kernel. Where there are two, or none,
// other releases prove two kernels, and so does another boot time beside another boot ID;
// a boot time alone proves nothing, for somebody may have set the clock.
func (k Kernel) Beside(other Kernel) Kernels {
	identified := k.BootID != "" && other.BootID != ""
	switch {
	case identified && k.BootID == other.BootID:
		return OneKernel
	case k.Release != "" && other.Release != "" && k.Release != other.Release:
		return TwoKernels
	case identified && k.BootTime != 0 && other.BootTime != 0 && max(k.BootTime, other.BootTime)-min(k.BootTime, other.BootTime) > clockStep:
		return TwoKernels
	}
	return KernelsUnknown
}

// String describes the kernel in one line; empty where nothing is known of it.
func (k Kernel) String() string {
	return strings.TrimSpace(k.Release + before(" boot ID ", k.BootID))
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// releaseForm is that of uname(2)'s release: one word.
var releaseForm = regexp.MustCompile(`^[0-9][0-9A-Za-z.+_~-]*$`)

// read takes the boot ID and the release, each on a line of its own, whichever of the
// two could be read.
func (k *Kernel) read(text string) {
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case uuid.MatchString(line):
			k.BootID = line
		case releaseForm.MatchString(line):
			k.Release = line
		}
	}
}

// bootTime reads the line "btime SECONDS"; 0 where there is none.
func bootTime(text string) uint64 {
	seconds, ok := strings.CutPrefix(strings.TrimSpace(text), "btime ")
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(seconds, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
