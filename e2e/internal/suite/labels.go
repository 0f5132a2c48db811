package suite

// Labels are what the security module of a node (AppArmor, SELinux, Smack) calls the
// processes of a pod, as /proc/PID/attr/current shows them; empty where there is none,
// or where it does not tell.
type Labels struct {
	// Container is the label of a command that is run in a container.
	Container string `json:"container,omitempty"`
	// Sandbox is the label of PID 1 where the pod shares its process namespace.
	Sandbox string `json:"sandbox,omitempty"`
}

// labels are those that were seen from a container, before any act.
func (o Observation) labels(from string) Labels {
	s := o.Container(from)
	l := Labels{Container: s.Label}
	if o.Pod.Sharing == "true" {
		l.Sandbox = s.LabelOfPID1
	}
	return l
}
