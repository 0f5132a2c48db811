package suite

import (
	"time"

	"procns/e2e/internal/probe"
)

// Saw is what an act itself saw between the two snapshots, where that is neither the result of a
// command nor an answer, a log or an event. Each act fills in its own part; what it did not
// come to see is nil or empty. How it is kept in an observation, notes.go says.
type Saw struct {
	// Page is what the page's commands printed, one after the other.
	Page Page
	// Shell is who answered in a shell that was attached to more than once.
	Shell Shell
	// Ready says whether the pod became ready, where it need not.
	Ready *bool

	// Sessions are the exec sessions that were opened, by the names of their results in Ran.
	Sessions map[string]Session
	// Unanswered is why an exec was not answered in its time.
	Unanswered string
	// TerminalEnded says whether the attached terminal ended of itself.
	TerminalEnded *bool

	// Orphan and Command are processes of a container that were killed there: one that its
	// parent had left, and one that was run by exec.
	Orphan, Command Sight
	// Daemons are the processes that an exec left behind in a container, by the container.
	Daemons map[string]Sight
	// Stopped is a process as it was seen stopped.
	Stopped *probe.Process
	// PID1After is PID 1 as the containers saw it when each had sent its signals.
	PID1After map[string]probe.Process
	// Zombies are the processes that had ended and were not reaped by then; nil where nobody looked.
	Zombies *[]probe.Identity
	// Left is what was there still of containers that had ended; nil where nobody looked.
	Left *[]Leftover

	// Written is a random text that was written somewhere, and Late the marker of a container that was added.
	Written, Late string
	// Disrupted is what was seen right after a disruption, before anything else was done.
	Disrupted Disrupted
	// Load is how the containers bore a load.
	Load Load

	// Undone says of experiments that could not be carried out why, by their names. What
	// others of the same act showed is not touched by it.
	Undone map[string]string
	// Other are the facts that another version of the suite kept.
	Other map[string]string
}

// Page is what the page's commands printed. Of a terminal, it begins with the typed line.
type Page struct {
	// Prompt is the shell's, and Screen all that the terminal showed.
	Prompt, Screen string
	// PSBefore and PSAfter are the tables of ps before and after kill -HUP, Hangup is what
	// that printed, and Head the first lines of nginx's configuration.
	PSBefore, Hangup, PSAfter, Head string
}

// Shell is who answered in a shell.
type Shell struct {
	// First and Second are the process that answered the first time and, attached again, the second.
	First, Second probe.Identity
	// Sizes are what stty printed when a size of the terminal had been told, by that size.
	Sizes map[string]string
}

// Session is what was seen of an exec session.
type Session struct {
	// From is its process, by the container that saw it.
	From map[string]probe.Process
	// Ended says whether it ended of itself; nil where nobody waited for that.
	Ended *bool
	// HeldUp says whether it stood still, because its client read nothing; nil where nobody looked.
	HeldUp *bool
}

// Sight is a process as its own container saw it, and others.
type Sight struct {
	Own  *probe.Process
	From map[string]probe.Process // by the other container
}

// Leftover is a process that outlived its container.
type Leftover struct {
	probe.Identity
	Command string
}

// Disrupted is what was seen after a disruption.
type Disrupted struct {
	// Processes are those that the container saw which looked, Table is their table, and
	// Namespace the inode of the PID namespace that its exec joined.
	Processes []probe.Identity
	Table     string
	Namespace uint64
	// Joined are the namespaces that execs into the other containers joined, by their names.
	Joined map[string]uint64
}

// Load is how a pod bore a load.
type Load struct {
	// ExecsTook is how long all execs took together.
	ExecsTook time.Duration
	// SessionsSeen and SessionsEnded count the sessions whose processes a sibling saw, and those
	// that ended of themselves; nil where it did not come to that.
	SessionsSeen, SessionsEnded *int
}

// InSession changes what is known of a session.
func (s *Saw) InSession(name string, change func(*Session)) {
	session := s.Sessions[name]
	change(&session)
	put(&s.Sessions, name, session)
}

// OfDaemon changes what is known of the process that an exec left behind in a container.
func (s *Saw) OfDaemon(container string, change func(*Sight)) {
	daemon := s.Daemons[container]
	change(&daemon)
	put(&s.Daemons, container, daemon)
}

// SeenBy says that a container saw the session's process.
func (s *Session) SeenBy(container string, p probe.Process) { put(&s.From, container, p) }

// SeenBy says that another container saw the process.
func (s *Sight) SeenBy(container string, p probe.Process) { put(&s.From, container, p) }

// redact forgets what ps printed of processes that are not the suite's own. Single processes and
// tables were seen in snapshots, which hold nothing of others.
func (s *Saw) redact(own probe.Own) {
	for _, text := range []*string{
		&s.Page.Prompt, &s.Page.Screen, &s.Page.PSBefore, &s.Page.Hangup, &s.Page.PSAfter, &s.Page.Head, &s.Disrupted.Table, &s.Unanswered,
	} {
		*text = own.RedactPS(*text)
	}
	for _, texts := range []map[string]string{s.Shell.Sizes, s.Undone, s.Other} {
		for name, text := range texts {
			texts[name] = own.RedactPS(text)
		}
	}
}
