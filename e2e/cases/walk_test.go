package cases

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/suite"
)

// typedInto is a shell with a terminal, as far as the walk types into it. The command that begins with late is not
// answered until the next one is typed.
type typedInto struct {
	terminal   *probe.Terminal
	table      string
	late, owed string
}

func (s *typedInto) Write(keys []byte) (int, error) {
	const prompt = "/ # "
	command := strings.TrimSuffix(string(keys), "\n")
	printed := ""
	switch {
	case strings.HasPrefix(command, "echo"):
		printed = "procns-42\n"
	case command == "ps ax":
		printed = s.table
	case strings.HasPrefix(command, "head"):
		printed = "user  nginx;\n"
	}
	shown := string(keys)
	switch answer := printed + prompt; {
	case s.owed != "": // its own answer comes behind that
		shown, s.owed = shown+s.owed, ""
	case s.late != "" && strings.HasPrefix(command, s.late):
		s.owed = answer
	default:
		shown += answer
	}
	_, err := s.terminal.Write([]byte(shown))
	return len(keys), err
}

// attachedHands are cut but for the terminal.
type attachedHands struct {
	*cutHands
	shell *typedInto
}

func (h *attachedHands) Attach(ctx context.Context, _ string, converse func(*probe.Terminal) error) error {
	h.shell.terminal = probe.NewTerminal(ctx, h.shell)
	return converse(h.shell.terminal)
}

// TestLateAnswersAreNoOthers: where a command that was typed is not answered in its time, its late
// answer is not taken for that of the next one: no claim about either can be told.
func TestLateAnswersAreNoOthers(t *testing.T) {
	c := named(t, "walkthrough/attach-nginx-conf")
	for late, undone := range map[string][]string{"": nil, "kill": {byHangingUp, byHead}, "head": {byHead}} {
		seen := recorded(t, c, c.Fixture)
		table := seen.Saw.Page.PSBefore
		seen.Saw = suite.Saw{}
		h := &attachedHands{&cutHands{seen: seen, undone: map[string]error{}}, &typedInto{table: table[strings.Index(table, "PID"):], late: late}}
		synctest.Test(t, func(t *testing.T) { require.NoError(t, walkByAttach.Do(t.Context(), h)) })
		for _, name := range undone {
			assert.Contains(t, h.undone, name, "late: %q", late)
		}
		assert.Len(t, h.undone, len(undone), "late: %q", late)
		if late != "" {
			assert.False(t, suite.IsViolation(c.Judge(h.seen)), "late: %q: %s", late, fmt.Sprint(c.Judge(h.seen)))
		}
	}
}
