package probe

import (
	"fmt"
	"time"
)

// DeadlineError says that a request into a container did not end in the time that it
// has. A read of /proc can hang for ever on a process that the kernel does not wake.
type DeadlineError struct {
	What   string // such as "exec in container shell"
	Within time.Duration
}

func (e *DeadlineError) Error() string {
	return fmt.Sprintf("%s did not end within %s", e.What, e.Within)
}
