package cases

// The experiments of the acts that make several in one pod, as Observation.Saw.Undone and Case.Experiments
// name them. Where an act's experiments are requests, callers or rollouts, these give the names.
const (
	// Of several acts.
	byHangingUp    = "hangup"    // nginx's master is sent SIGHUP
	byKilling      = "kill"      // a process of another container is killed, or signalled
	byStopping     = "stop"      // a process is stopped, and continued
	bySession      = "session"   // exec sessions are opened, seen and ended
	byWriting      = "write"     // a sibling's file is written
	byLogs         = "logs"      // what the containers printed is read
	byLookingAgain = "leftovers" // what is left of containers that have ended is looked for
	byDeleting     = "delete"    // the pod is deleted

	// walkByAttach, walkByExec, walkByShell
	byHead   = "head" // the first lines of nginx's configuration are read
	byAsking = "http" // nginx is asked before and after

	// signalSiblings, terminateBare
	byExec        = "from-exec" // a command sends all signals
	byMainProcess = "from-main" // the sender's first process does
	byTerminating = "terminate" // the process of an image without a shell is told to end

	// reachThrough, signalEachOther
	byToken    = "token" // a service account's token is read
	byCounting = "pids"  // processes are counted

	// killFromSibling, terminatePID1, stopPod, deleteStubborn
	bySecondSession = "second session" // the end of the session in the killed container is waited for
	byEvents        = "events"         // the pod's events are read
	byWaiting       = "ready"          // the pod is waited for to be ready
	byAttaching     = "terminal"       // a terminal is attached, and its end waited for

	// leaveOrphans, storm
	byOrphan = "orphan" // one process is left by its parent, and killed
	byBursts = "bursts" // a thousand are
	byExecs  = "execs"  // many commands are run at one time

	// targetTheExited, attachAgain
	byUnknownTarget = "unknown" // a container whose target does not exist is asked for
	byLateContainer = "late"    // one whose target has ended is added
	byAnswering     = "answers" // the shell is asked who it is, twice
	byResizing      = "sizes"   // its terminal is given other sizes
	byExiting       = "exit"    // it is told to exit

	// evict, finishJob, killContainerTwo
	byEvicting  = "evict"
	byFinishing = "finish"
	byLooking   = "look" // what a disruption has left is looked at
)

// byWritingInto is the experiment, and the command, that writes into a sibling's filesystem.
func byWritingInto(container string) string { return "write-" + container }

// none are the experiments of a claim that turns on nothing that its act does.
func none() []string { return []string{} }
