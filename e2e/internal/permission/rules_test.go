package permission

import (
	"testing"

	"gotest.tools/v3/assert"

	"procns/e2e/internal/probe"
)

// The capabilities that containerd gives by default, and Docker before it.
const defaults = 0xa80425fb

// fsetid is one of them that no rule asks for.
const fsetid = 1 << 4

// process is one that executed its program under the credentials that it has.
func process(id int, capabilities uint64) Process {
	ids := IDs{id, id, id, id}
	return Process{UID: ids, GID: ids, Effective: capabilities, Permitted: capabilities, Owner: [2]int{id, id}}
}

var (
	root    = process(0, defaults)
	fewer   = process(0, defaults&^fsetid)
	none    = process(0, 0)
	ptrace  = process(0, SysPtrace)
	page    = process(0, defaults|SysPtrace)
	other   = process(1000, 0)
	own     = process(101, 0)
	sandbox = process(65535, 0)
	// nginx starts its workers as root, and they change their user.
	worker = Process{UID: own.UID, GID: own.GID, Owner: [2]int{0, 0}}
)

const (
	ok     = probe.Errno("")
	EACCES = probe.EACCES
	EPERM  = probe.EPERM
)

// TestMeasured holds the model to what was measured, with a small static program
// and three containers that runc 1.1 joined as containerd does, on a 6.18 kernel
// without any security module: the answers to kill, to reading cmdline and
// status, to following root, cwd and exe, and to ptrace(2)'s attach. That one is
// told EPERM where opening mem is told EACCES.
func TestMeasured(t *testing.T) {
	for name, row := range map[string]struct {
		caller, target          Process
		kill, read, follow, mem probe.Errno
	}{
		"root on root":                        {root, root, ok, ok, ok, ok},
		"root without capabilities on root":   {none, root, ok, ok, EACCES, EACCES},
		"root with one fewer on root":         {fewer, root, ok, ok, EACCES, EACCES},
		"root with SYS_PTRACE alone on root":  {ptrace, root, ok, ok, ok, ok},
		"another user on root":                {other, root, EPERM, ok, EACCES, EACCES},
		"root on the sandbox":                 {root, sandbox, ok, ok, EACCES, EACCES},
		"root with SYS_PTRACE on the sandbox": {page, sandbox, ok, ok, ok, ok},
		"root on the worker":                  {root, worker, ok, ok, EACCES, EACCES},
		"root with SYS_PTRACE on the worker":  {page, worker, ok, ok, ok, ok},
		"its own user on the worker":          {own, worker, ok, ok, EACCES, EACCES},
		"root without KILL on the worker":     {none, worker, EPERM, ok, EACCES, EACCES},
		"root with SYS_PTRACE, without KILL":  {ptrace, worker, EPERM, ok, ok, ok},
		"root without KILL on the sandbox":    {none, sandbox, EPERM, ok, EACCES, EACCES},
		"SYS_PTRACE does not signal PID 1":    {ptrace, sandbox, EPERM, ok, ok, EACCES},
		"the sandbox's user on the sandbox":   {sandbox, sandbox, ok, ok, ok, ok},
	} {
		for _, column := range []struct {
			want       probe.Errno
			operations []Operation
		}{
			{row.kill, []Operation{Signal0, Hangup}},
			{row.read, []Operation{Cmdline, Status}},
			{row.follow, []Operation{Root, Cwd, Exe}},
			{row.mem, []Operation{Environ, Attach}},
		} {
			for _, operation := range column.operations {
				got := Decide(row.caller, row.target, operation, NoYama)
				assert.Check(t, got.Errno == column.want, "%s: %s: %q by %q, want %q", name, operation, got.Errno, got.Rule, column.want)
			}
		}
	}
}

// TestRules holds each answer to the rule that gives it.
func TestRules(t *testing.T) {
	otherGroup := process(0, defaults)
	otherGroup.GID = IDs{7, 7, 7, 7}
	savedRoot := process(1000, 0)
	savedRoot.UID.Saved = 0
	effectiveOnly := process(1000, 0)
	effectiveOnly.UID.Effective = 0
	for name, row := range map[string]struct {
		caller, target Process
		operation      Operation
		yama           Yama
		errno          probe.Errno
		rule           Rule
	}{
		"command lines are for all":                   {other, worker, Cmdline, 3, ok, ToAll},
		"so is status":                                {other, root, Status, 3, ok, ToAll},
		"a sender of the same user":                   {none, root, Hangup, NoYama, ok, SameSender},
		"a sender with CAP_KILL":                      {root, other, Signal0, NoYama, ok, CapKill},
		"a sender without":                            {ptrace, other, Signal0, NoYama, EPERM, OtherSender},
		"a target whose saved user is the sender's":   {none, savedRoot, Hangup, NoYama, ok, SameSender},
		"its effective user does not count":           {none, effectiveOnly, Hangup, NoYama, EPERM, OtherSender},
		"the sender's effective user does":            {effectiveOnly, root, Hangup, NoYama, ok, SameSender},
		"names of descriptors need a mode":            {none, root, List, NoYama, ok, FileOwner},
		"and nothing else":                            {root, sandbox, List, NoYama, ok, FileOwner},
		"the mode holds SYS_PTRACE back":              {ptrace, sandbox, List, NoYama, EACCES, OtherOwner},
		"from the environment too":                    {ptrace, sandbox, Environ, NoYama, EACCES, OtherOwner},
		"and from memory":                             {ptrace, sandbox, Attach, NoYama, EACCES, OtherOwner},
		"but links have none":                         {ptrace, sandbox, Root, NoYama, ok, CapSysPtrace},
		"what is not dumpable belongs to root":        {ptrace, worker, Environ, NoYama, ok, CapSysPtrace},
		"and no longer to its user":                   {own, worker, Environ, NoYama, EACCES, OtherOwner},
		"who may not follow its links either":         {own, worker, Root, NoYama, EACCES, NotDumpable},
		"DAC_READ_SEARCH opens":                       {process(7, DACReadSearch), sandbox, List, NoYama, ok, FileOwner},
		"DAC_OVERRIDE opens":                          {process(7, DACOverride), sandbox, List, NoYama, ok, FileOwner},
		"the group counts as well":                    {otherGroup, root, Root, NoYama, EACCES, OtherUser},
		"a saved user other than the caller's":        {own, savedRoot, Root, NoYama, EACCES, OtherUser},
		"one capability fewer":                        {fewer, root, Open, NoYama, EACCES, Capabilities},
		"one capability more":                         {root, fewer, Open, NoYama, ok, SameUser},
		"the target's permitted capabilities count":   {none, Process{Permitted: Kill}, Exe, NoYama, EACCES, Capabilities},
		"not its effective ones":                      {none, Process{Effective: Kill}, Exe, NoYama, ok, SameUser},
		"the caller's effective capabilities count":   {Process{Permitted: Kill}, Process{Permitted: Kill}, Exe, NoYama, EACCES, Capabilities},
		"Yama 0 restricts nothing":                    {root, root, Attach, 0, ok, SameUser},
		"Yama 1 leaves attaching to ancestors":        {root, root, Attach, 1, EACCES, YamaScope},
		"and to SYS_PTRACE":                           {page, root, Attach, 1, ok, CapSysPtrace},
		"Yama 2 leaves it to SYS_PTRACE":              {page, root, Attach, 2, ok, CapSysPtrace},
		"Yama 3 to nobody":                            {page, root, Attach, 3, EACCES, YamaScope},
		"Yama does not ask about reading":             {root, root, Environ, 3, ok, SameUser},
		"what was refused before stays refused so":    {other, root, Attach, 3, EACCES, OtherOwner},
		"an operation that the model does not know":   {page, page, "fork", NoYama, probe.Unknown, "no such operation"},
		"a worker is signalled by its own user":       {own, worker, Signal0, NoYama, ok, SameSender},
		"the names of a worker's descriptors are not": {own, worker, List, NoYama, EACCES, OtherOwner},
	} {
		got := Decide(row.caller, row.target, row.operation, row.yama)
		assert.Check(t, got == Decision{row.errno, row.rule}, "%s: got %+v", name, got)
	}
}

func TestDumpable(t *testing.T) {
	assert.Assert(t, root.Dumpable() && sandbox.Dumpable() && own.Dumpable())
	assert.Assert(t, !worker.Dumpable())
	changedGroup := process(0, 0)
	changedGroup.GID = IDs{7, 7, 7, 7}
	assert.Assert(t, !changedGroup.Dumpable(), "root that changed its group alone belongs to root and its group")
}

// FuzzDecide holds the model to what must be true of every pair of processes.
func FuzzDecide(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint64(defaults), uint64(defaults), uint64(SysPtrace), true, int8(-1))
	f.Add(uint8(1), uint8(1), uint64(0), uint64(0), uint64(Kill), false, int8(1))
	f.Add(uint8(0), uint8(9), uint64(SysPtrace), uint64(0), uint64(DACOverride), true, int8(2))
	f.Add(uint8(2), uint8(0), uint64(1<<40), uint64(fsetid), uint64(DACReadSearch), true, int8(3))
	f.Fuzz(func(t *testing.T, callerID, targetID uint8, callerSet, targetSet, more uint64, dumpable bool, scope int8) {
		yama := max(Yama(scope), NoYama)
		caller, target := process(int(callerID), callerSet), process(int(targetID), targetSet)
		if !dumpable {
			target.Owner = [2]int{0, 0}
		}
		richer := process(int(callerID), callerSet|more)
		tracing := process(int(callerID), callerSet^SysPtrace)
		almighty := process(int(callerID), ^uint64(0))
		allowed := map[Operation]bool{}
		for _, operation := range Operations() {
			got := Decide(caller, target, operation, yama)
			allowed[operation] = got.Errno == ""
			signal := operation == Signal0 || operation == Hangup
			switch {
			case got.Rule == "":
				t.Errorf("%s: no rule", operation)
			case signal && got.Errno == EACCES, !signal && got.Errno == EPERM, got.Errno == probe.Unknown:
				t.Errorf("%s: errno %s", operation, got.Errno)
			case allowed[operation] && Decide(richer, target, operation, yama).Errno != "":
				t.Errorf("%s: more capabilities, %x, allow less", operation, more)
			case signal && got != Decide(tracing, target, operation, yama):
				t.Errorf("%s: SYS_PTRACE decides about a signal", operation)
			case operation != Attach && got != Decide(caller, target, operation, NoYama):
				t.Errorf("%s: Yama decides about something other than attaching", operation)
			case Decide(almighty, target, operation, min(yama, 2)).Errno != "":
				t.Errorf("%s: refused to a caller with every capability", operation)
			case callerID != targetID && allowed[operation] && callerSet&(Kill|SysPtrace|DACOverride|DACReadSearch) == 0 &&
				operation != Cmdline && operation != Status && !(callerID == 0 && !dumpable && operation == List):
				t.Errorf("%s: allowed to another user without capabilities", operation)
			}
		}
		for _, p := range []struct {
			if_, then []Operation
		}{
			{[]Operation{Attach}, []Operation{Environ}},
			{[]Operation{Environ}, []Operation{List, Open, Root}},
			{[]Operation{Root, List}, []Operation{Environ}},
			{[]Operation{Root}, []Operation{Cwd, Exe}},
			{[]Operation{Hangup}, []Operation{Signal0}},
		} {
			holds := true
			for _, operation := range p.if_ {
				holds = holds && allowed[operation]
			}
			for _, operation := range p.then {
				if holds && !allowed[operation] {
					t.Errorf("%v allowed, %s refused", p.if_, operation)
				}
			}
		}
	})
}
