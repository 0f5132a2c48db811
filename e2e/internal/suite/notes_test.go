package suite

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
)

// everything is what an act saw, with all that one can see.
func everything() Saw {
	yes, no, some, all := true, false, 41, 42
	process := probe.Process{PID: 7, PPID: 1, StartTime: 4711, Argv: []string{"tail", "-f", "/tmp/x"}}
	s := Saw{
		Page:       Page{Prompt: "/ # ", Screen: "/ # ps", PSBefore: "PID COMMAND\n", Hangup: "kill -HUP 7\n", PSAfter: "PID\n", Head: "user nginx;\n"},
		Shell:      Shell{First: probe.Identity{PID: 15, StartTime: 2}, Second: probe.Identity{PID: 15, StartTime: 2}, Sizes: map[string]string{"41 101": "41 101", "23 77": ""}},
		Ready:      &no,
		Unanswered: "exec in container drainer: no answer within 1m0s", TerminalEnded: &yes,
		Orphan:    Sight{Own: &process, From: map[string]probe.Process{"sibling": process}},
		Command:   Sight{Own: &process, From: map[string]probe.Process{"sibling": process}},
		Daemons:   map[string]Sight{"finished": {Own: &process, From: map[string]probe.Process{"killer": process}}},
		Stopped:   &process,
		PID1After: map[string]probe.Process{"user": process, "root": process},
		Zombies:   &[]probe.Identity{{PID: 9, StartTime: 8}},
		Left:      &[]Leftover{{probe.Identity{PID: 12, StartTime: 34}, "sh -c (a), b"}, {probe.Identity{PID: 13, StartTime: 35}, "sleep 3600"}},
		Written:   "written1", Late: "marker2",
		Disrupted: Disrupted{
			Processes: []probe.Identity{{PID: 1, StartTime: 2}, {PID: 14, StartTime: 5}, {PID: 7, StartTime: 3}}, Table: "seen from", Namespace: 4026532759,
			Joined: map[string]uint64{"two": 4026532759, "three": 0},
		},
		Load:   Load{ExecsTook: 5162 * time.Millisecond, SessionsSeen: &all, SessionsEnded: &some},
		Undone: map[string]string{"kill": "the connection was cut"},
		Other:  map[string]string{"of another version": "x"},
	}
	s.InSession("session", func(of *Session) {
		of.Ended, of.HeldUp = &yes, &no
		of.SeenBy("victim", process)
		of.SeenBy("killer", process)
	})
	s.InSession("second session", func(of *Session) { of.Ended = &no; of.SeenBy("victim", process) })
	return s
}

// TestNotes: what an act saw is read as it was written, and each fact has its own name.
func TestNotes(t *testing.T) {
	for name, saw := range map[string]Saw{
		"nothing": {}, "everything": everything(),
		"nothing was left, and there was no zombie": {Left: &[]Leftover{}, Zombies: &[]probe.Identity{}},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(Observation{Saw: saw})
			require.NoError(t, err)
			var o Observation
			require.NoError(t, json.Unmarshal(raw, &o))
			assert.Equal(t, saw.Notes(), o.Saw.Notes())
			again, err := json.Marshal(o)
			require.NoError(t, err)
			assert.Equal(t, string(raw), string(again))
		})
	}
	raw, err := json.Marshal(everything())
	require.NoError(t, err)
	var read Saw
	require.NoError(t, json.Unmarshal(raw, &read))
	assert.Equal(t, everything(), read)
	assert.True(t, Saw{}.IsZero())
	assert.NotContains(t, string(must(json.Marshal(Observation{}))), "notes")
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

// TestNotesAsRecorded: the forms in which observations were recorded mean what they meant.
func TestNotesAsRecorded(t *testing.T) {
	for name, row := range map[string]struct {
		notes map[string]string
		holds func(Saw) bool
	}{
		"a session that ended":        {map[string]string{"session ended": "true"}, func(s Saw) bool { return *s.Sessions["session"].Ended }},
		"a session that hung":         {map[string]string{"second session ended": "false"}, func(s Saw) bool { return !*s.Sessions["second session"].Ended }},
		"a session's process":         {map[string]string{"session seen from killer": `{"pid":7}`}, func(s Saw) bool { return s.Sessions["session"].From["killer"].PID == 7 }},
		"one that nobody saw":         {map[string]string{"session seen from killer": ""}, func(s Saw) bool { return len(s.Sessions) == 0 }},
		"a command that was killed":   {map[string]string{"session": `{"pid":8}`}, func(s Saw) bool { return s.Command.Own.PID == 8 && len(s.Sessions) == 0 }},
		"it, as the sibling saw it":   {map[string]string{"session from sibling": `{"pid":8}`}, func(s Saw) bool { return s.Command.From["sibling"].PID == 8 }},
		"an orphan of the sibling's":  {map[string]string{"orphan from sibling": `{"pid":9}`}, func(s Saw) bool { return s.Orphan.From["sibling"].PID == 9 }},
		"no zombie":                   {map[string]string{"zombies": "null"}, func(s Saw) bool { return s.Zombies != nil && len(*s.Zombies) == 0 }},
		"zombies":                     {map[string]string{"zombies": `[{"PID":55,"StartTime":5}]`}, func(s Saw) bool { return (*s.Zombies)[0].PID == 55 }},
		"nobody looked for zombies":   {nil, func(s Saw) bool { return s.Zombies == nil && s.Left == nil }},
		"nothing left":                {map[string]string{"left over": "0: "}, func(s Saw) bool { return s.Left != nil && len(*s.Left) == 0 }},
		"something left":              {map[string]string{"left over": "1: PID 19 (started at tick 12) (sh -c while :; do (sleep 1); done)"}, func(s Saw) bool { return (*s.Left)[0].Command == "sh -c while :; do (sleep 1); done" }},
		"a shell that did not answer": {map[string]string{"first": "", "told 41 101": ""}, func(s Saw) bool { _, told := s.Shell.Sizes["41 101"]; return told && s.Shell.First.PID == 0 }},
		"counts":                      {map[string]string{"sessions seen": "42", "sessions ended": "0", "execs took": "5.162s"}, func(s Saw) bool { return *s.Load.SessionsSeen == 42 && *s.Load.SessionsEnded == 0 }},
		"a disruption": {map[string]string{"namespace": "7", "namespace of two": "8", "identity 14": "14 (started at tick 3)"}, func(s Saw) bool {
			return s.Disrupted.Namespace == 7 && s.Disrupted.Joined["two"] == 8 && s.Disrupted.Processes[0].StartTime == 3
		}},
		"of another version": {map[string]string{"new from somewhere": "x"}, func(s Saw) bool { return s.Other["new from somewhere"] == "x" }},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(map[string]any{"notes": row.notes})
			require.NoError(t, err)
			var o Observation
			require.NoError(t, json.Unmarshal(raw, &o))
			assert.True(t, row.holds(o.Saw), "%+v", o.Saw)
		})
	}
}

// TestNotesThatAreNone: a text that is not what its name says is told by the name.
func TestNotesThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"session ended": "perhaps", "ready": "-", "first": "15", "stopped": "{", "left over": "2: PID 1 (started at tick 1) (a)",
		"namespace": "-1", "identity 1": "1", "execs took": "5", "sessions seen": "many", "session seen from killer": "7", "orphan": "7",
		"terminal ended": "x", "zombies": "7", "sessions ended": "x", "second": "x", "session": "x", "namespace of two": "x", "PID 1 after root": "x",
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(map[string]string{name: text})
			require.NoError(t, err)
			var s Saw
			assert.ErrorContains(t, json.Unmarshal(raw, &s), `note "`+name+`"`)
		})
	}
	assert.Error(t, json.Unmarshal([]byte(`[]`), &Saw{}))
}

// TestSawIsRedacted: no text of a terminal or a table keeps what others run.
func TestSawIsRedacted(t *testing.T) {
	const table = "PID   USER     COMMAND\n    7 root     proxy --token=hunter2\n"
	s := Saw{Page: Page{Screen: table, PSBefore: table, PSAfter: table}, Undone: map[string]string{"ps": table}, Other: map[string]string{"x": table}}
	s.redact(probe.Own{})
	for name, text := range s.Notes() {
		assert.NotContains(t, text, "hunter2", name)
	}
}

// FuzzNotes: whatever the notes of an observation are, they are read or refused, and what was read is
// written and read as the same.
func FuzzNotes(f *testing.F) {
	for name, text := range everything().Notes() {
		f.Add(name, text)
	}
	f.Add("left over", "2: PID 1 (started at tick 1) (a), PID 2 (started at tick 2) (), PID 3 (started at tick 3) (b)")
	f.Fuzz(func(t *testing.T, name, text string) {
		raw, err := json.Marshal(map[string]string{name: text})
		if err != nil {
			t.Skip()
		}
		var s, again Saw
		if json.Unmarshal(raw, &s) != nil {
			return
		}
		raw, err = json.Marshal(s)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &again))
		require.Equal(t, s.Notes(), again.Notes())
	})
}
