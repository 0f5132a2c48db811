package probe

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// frame is one answer of the script.
type frame struct {
	subject, field string
	stdout, stderr []byte
	code           int
}

// Answers are what the script answered, each about one process, or about the container itself.
type Answers struct {
	boundary string
	frames   []frame
}

// ReadAnswers reads the two streams of one run of the observation script. Its error says what is
// missing or malformed.
func ReadAnswers(boundary string, stdout, stderr []byte) (Answers, error) {
	packed, err := splitFrames(boundary, stdout)
	if err != nil {
		return Answers{}, err
	}
	messages, err := splitFrames(boundary, stderr)
	if err != nil {
		return Answers{}, fmt.Errorf("standard error: %w", err)
	}
	type key struct{ subject, field string }
	said := map[key][]byte{}
	for _, m := range messages {
		said[key{m.subject, m.field}] = m.stdout
	}
	all := Answers{boundary: boundary}
	var between []byte // the script's own arguments
	for _, f := range packed {
		f.stderr = said[key{f.subject, f.field}]
		if f.subject == "self" && f.field == "cmdline" {
			between = f.stdout
		}
		if f.subject != many {
			all.frames = append(all.frames, f)
			continue
		}
		each, err := f.each(boundary, between)
		if err != nil {
			return Answers{}, fmt.Errorf("%q: %w", f.subject+" "+f.field, err)
		}
		all.frames = append(all.frames, each...)
	}
	return all, nil
}

// Text is both streams as a person reads them, and as RedactRaw does: one answer about each process,
// also where the script had one for many.
func (a Answers) Text() string {
	var stdout, stderr strings.Builder
	for _, f := range a.frames {
		fmt.Fprintf(&stdout, "\n%s %s %s\n%s\n%[1]s = %[5]d\n", a.boundary, f.subject, f.field, f.stdout, f.code)
		fmt.Fprintf(&stderr, "\n%s %s %s\n%s\n%[1]s = %[5]d\n", a.boundary, f.subject, f.field, f.stderr, f.code)
	}
	return RawText(stdout.String(), stderr.String())
}

// RawText is the text of an observation as the evidence keeps it.
func RawText(stdout, stderr string) string { return stdout + "\n--- standard error ---\n" + stderr }

// splitFrames cuts one stream into its answers. A stream that ends within an
// answer, or without the closing one, is an error: the exec was cut short, and
// processes that it did not come to would seem not to exist.
func splitFrames(boundary string, stream []byte) ([]frame, error) {
	var frames []frame
	mark := []byte("\n" + boundary + " ")
	rest := stream
	for {
		start := bytes.Index(rest, mark)
		if start < 0 {
			break
		}
		rest = rest[start+len(mark):]
		head, body, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return nil, errors.New("the observation was cut short in a heading")
		}
		subject, field, ok := strings.Cut(string(head), " ")
		if !ok || subject != "self" && subject != many && !isPID(subject) {
			return nil, fmt.Errorf("unexpected heading %q", head)
		}
		end := bytes.Index(body, mark)
		if end < 0 {
			return nil, fmt.Errorf("the observation was cut short within %q", head)
		}
		content, tail := body[:end], body[end+len(mark):]
		line, after, ok := bytes.Cut(tail, []byte("\n"))
		text, found := strings.CutPrefix(string(line), "= ")
		if !ok || !found {
			return nil, fmt.Errorf("%q is not closed by its exit code", head)
		}
		code, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%q: exit code: %w", head, err)
		}
		frames = append(frames, frame{subject: subject, field: field, stdout: content, code: code})
		rest = after
	}
	if len(frames) == 0 {
		return nil, errors.New("the observation is empty")
	}
	if last := frames[len(frames)-1]; last.subject != "self" || last.field != "end" {
		return nil, fmt.Errorf("the observation was cut short behind %q", last.subject+" "+last.field)
	}
	return frames, nil
}

// isPID says whether text names a directory of /proc that is a process's.
func isPID(text string) bool {
	pid, err := strconv.Atoi(text)
	return err == nil && pid > 0 && strconv.Itoa(pid) == text
}
