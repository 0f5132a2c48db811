package wrapper

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/sabotage/oci"
)

// State is what a mutant has to remember between the calls, in a folder that does not
// outlive the node's boot.
type State struct{ Folder string }

// remembered is a container as its file holds it.
type remembered struct {
	ID     string     `json:"id"`
	Bundle string     `json:"bundle"`
	Place  int        `json:"place"` // in the order of creation, within the pod
	Spec   oci.Object `json:"spec"`
}

func (s *State) file(id string) string { return filepath.Join(s.Folder, "containers", id) }

// Remember keeps a container that is to be created, as containerd wants it.
func (s *State) Remember(c *Container) error {
	return s.locked(func() error {
		all, err := s.of(c.Spec.SandboxID())
		if err != nil {
			return err
		}
		place := 0
		for _, other := range all {
			place = max(place, other.Place+1)
		}
		text, err := json.Marshal(remembered{c.ID, c.Bundle, place, c.Spec.Object})
		if err != nil {
			return err
		}
		return write(s.file(c.ID), text)
	})
}

// Recall is a container that was remembered; nil where there is none.
func (s *State) Recall(id string) *Container {
	r, err := s.read(id)
	if err != nil {
		return nil
	}
	return s.container(r)
}

func (s *State) container(r remembered) *Container {
	return &Container{ID: r.ID, Bundle: r.Bundle, Spec: oci.Spec{Object: r.Spec}, State: s}
}

func (s *State) read(id string) (remembered, error) {
	var r remembered
	text, err := os.ReadFile(s.file(id))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

// of are a sandbox's containers, and the sandbox itself, in the order of their creation.
func (s *State) of(sandbox string) ([]remembered, error) {
	files, err := os.ReadDir(filepath.Join(s.Folder, "containers"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []remembered
	for _, file := range files {
		if r, err := s.read(file.Name()); err == nil && (oci.Spec{Object: r.Spec}).SandboxID() == sandbox {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b remembered) int { return cmp.Compare(a.Place, b.Place) })
	return all, nil
}

// Alive are the pod's containers that run, without its sandbox, in the order of their creation.
func (s *State) Alive(sandbox string) ([]*Container, error) {
	all, err := s.of(sandbox)
	var alive []*Container
	for _, r := range all {
		if c := s.container(r); c.Spec.IsContainer() && c.Alive() {
			alive = append(alive, c)
		}
	}
	return alive, err
}

// sandbox is that of the container's pod.
func (c *Container) sandbox() (*Container, error) {
	all, err := c.State.of(c.Spec.SandboxID())
	for _, r := range all {
		if other := c.State.container(r); other.Spec.IsSandbox() {
			return other, nil
		}
	}
	return nil, errors.Join(err, fmt.Errorf("the sandbox of container %s was not remembered", c.ID))
}

// Place is the container's place in the order of creation within its pod.
func (s *State) Place(id string) (int, error) {
	r, err := s.read(id)
	return r.Place, err
}

// Forget removes a container that is deleted.
func (s *State) Forget(c *Container) error {
	err := os.Remove(s.file(c.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// AwakeFile is there once a mutant that waits is to begin. Its folder does not outlive a boot.
func AwakeFile(mutant string) string { return filepath.Join(stateFolder, mutant, awake) }

const (
	stateFolder = "/run/procns-sabotage"
	awake       = "awake"
)

// PID is the container's first process, as containerd keeps it beside the bundle.
func (c *Container) PID() (int, error) { return readPID(filepath.Join(c.Bundle, "init.pid")) }

// Alive tells whether the container's first process runs.
func (c *Container) Alive() bool {
	pid, err := c.PID()
	return err == nil && syscall.Kill(pid, 0) == nil
}

func readPID(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s holds %q instead of a PID", file, text)
	}
	return pid, nil
}

// Leader is a process that others are to follow into its namespace. name tells whose.
// Where there is none that lives, it is empty.
func (s *State) Leader(name string) string {
	text, err := os.ReadFile(filepath.Join(s.Folder, "leaders", name))
	if err != nil {
		return ""
	}
	pid, started, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if now := startTime(pid); now == "" || now != started {
		return ""
	}
	return pid
}

// Follow makes a process the leader.
func (s *State) Follow(name string, pid int) error {
	text := strconv.Itoa(pid)
	return write(filepath.Join(s.Folder, "leaders", name), []byte(text+" "+startTime(text)+"\n"))
}

// startTime is field 22 of /proc/PID/stat, which tells a process from another with its
// PID; empty where there is none, or it is a zombie.
func startTime(pid string) string {
	p, ok := process(pid)
	if !ok || p.State == "Z" {
		return ""
	}
	return strconv.FormatUint(p.StartTime, 10)
}

// process is what /proc/PID/stat tells of a process, if there is one.
func process(pid string) (probe.Process, bool) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return probe.Process{}, false
	}
	p, err := probe.ParseStat(string(text))
	return p, err == nil
}

// locked runs do while no other call of the mutant does the like.
func (s *State) locked(do func() error) error {
	if err := os.MkdirAll(s.Folder, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(s.Folder, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	return do()
}

// write replaces a file in one step: other calls read it at any time.
func write(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(filepath.Dir(file)), "new-*")
	if err != nil {
		return err
	}
	_, err = fresh.Write(text)
	if err = errors.Join(err, fresh.Close()); err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return os.Rename(fresh.Name(), file)
}
