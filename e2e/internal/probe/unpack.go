package probe

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// many is the subject of an answer about more than one process. Its field says what was asked, and of
// which: "files 1 7 8".
const many = "many"

// What is asked of many processes at one time, each by one command.
const (
	askedFiles = "files" // stat, status, cmdline and environ, with the script's own arguments behind each
	askedLinks = "links"
	askedFDs   = "fd"
)

// filesEach is how many files of a process are in such an answer.
const filesEach = 4

// each are the answers about each of the processes that f is about.
func (f frame) each(boundary string, between []byte) ([]frame, error) {
	asked := strings.Fields(f.field)
	if len(asked) < 2 {
		return nil, errors.New("it names no process")
	}
	pids := asked[1:]
	for _, pid := range pids {
		if !isPID(pid) {
			return nil, fmt.Errorf("%q is no process", pid)
		}
	}
	complaints := complaintsOf(f.stderr)
	switch asked[0] {
	case askedFiles:
		return f.eachFiles(pids, boundary, between, complaints)
	case askedLinks:
		return f.eachLinks(pids, complaints), nil
	case askedFDs:
		return f.eachFDs(pids, complaints), nil
	}
	return nil, errors.New("nobody asked for that")
}

func (f frame) eachFiles(pids []string, boundary string, between []byte, said complaints) ([]frame, error) {
	if !bytes.Contains(between, []byte("\x00"+observerName+"\x00"+boundary+"\x00")) {
		return nil, errors.New("the observer does not see itself in /proc: its arguments are not there")
	}
	contents := bytes.Split(f.stdout, between)
	if len(contents) != filesEach*len(pids)+1 || len(contents[len(contents)-1]) != 0 {
		return nil, fmt.Errorf("%d files of %d processes are %d", filesEach, len(pids), len(contents)-1)
	}
	var frames []frame
	for i, pid := range pids {
		files := contents[filesEach*i : filesEach*(i+1)]
		for _, answer := range []struct {
			field   string
			content []byte
			paths   []string
		}{
			{"process", slices.Concat(files[0], files[1]), []string{"stat", "status"}},
			{"cmdline", files[2], []string{"cmdline"}},
			{"environ", files[3], []string{"environ"}},
		} {
			one := frame{subject: pid, field: answer.field, stdout: answer.content}
			for _, name := range answer.paths {
				one.stderr = append(one.stderr, said.by["/proc/"+pid+"/"+name]...)
			}
			if len(one.stderr) == 0 && len(answer.content) == 0 {
				one.stderr = said.aboutNothing // busybox's cat does not say which file it could not go on to read
			}
			if len(one.stderr) > 0 || answer.field == "process" && (len(files[0]) == 0 || len(files[1]) == 0) {
				one.code = 1
			}
			frames = append(frames, one)
		}
	}
	return frames, nil
}

// eachLinks gives each process the lines of `ls -l` about its links. A working directory with a line
// break in its name can put any line into the listing: where there are two about a link, neither counts.
func (f frame) eachLinks(pids []string, said complaints) []frame {
	lines := map[string][]string{} // by path
	for line := range strings.Lines(string(f.stdout)) {
		if m := linkOfProcess.FindStringSubmatch(line); m != nil {
			lines[m[1]] = append(lines[m[1]], strings.TrimRight(line, "\n")+"\n")
		}
	}
	var frames []frame
	for _, pid := range pids {
		one := frame{subject: pid, field: askedLinks}
		for _, name := range linkNames {
			path := "/proc/" + pid + "/" + name
			if found := lines[path]; len(found) == 1 {
				one.stdout = append(one.stdout, found[0]...)
			}
			one.stderr = append(one.stderr, said.by[path]...)
		}
		if len(one.stderr) > 0 {
			one.code = 1
		}
		frames = append(frames, one)
	}
	return frames
}

var linkNames = []string{"cwd", "exe", "ns/pid", "root"}

var linkOfProcess = regexp.MustCompile(`^\S+ .*? (/proc/[0-9]+/(?:` + strings.Join(linkNames, "|") + `)) -> `)

// eachFDs gives each process the numbers behind its heading: ls prints one where it is asked for more
// than one directory. Nothing but numbers is in these.
func (f frame) eachFDs(pids []string, said complaints) []frame {
	numbers := map[string][]byte{}
	heading := ""
	if len(pids) == 1 {
		heading = "/proc/" + pids[0] + "/fd/"
	}
	for line := range strings.Lines(string(f.stdout)) {
		text := strings.TrimSpace(line)
		if path, ok := strings.CutSuffix(text, ":"); ok {
			heading = path
			continue
		}
		if _, err := strconv.Atoi(text); err == nil {
			numbers[heading] = append(numbers[heading], text+"\n"...)
		}
	}
	var frames []frame
	for _, pid := range pids {
		path := "/proc/" + pid + "/fd"
		one := frame{subject: pid, field: askedFDs, stdout: numbers[path+"/"], stderr: said.by[path]}
		if len(one.stderr) > 0 {
			one.code = 1
		}
		frames = append(frames, one)
	}
	return frames
}

// complaints are the lines that a command wrote to its standard error, by the file of /proc that each is
// about.
type complaints struct {
	by           map[string][]byte
	aboutNothing []byte
}

// fileOfProcess is a file of a process as a message names it. Whoever words it puts something behind it
// that is no part of a name.
var fileOfProcess = regexp.MustCompile(`/proc/[0-9]+/(?:status|stat|cmdline|environ|fd|` + strings.Join(linkNames, "|") + `)\b`)

func complaintsOf(stderr []byte) complaints {
	c := complaints{by: map[string][]byte{}}
	for line := range bytes.Lines(stderr) {
		path := string(fileOfProcess.Find(line))
		switch {
		case path != "":
			c.by[path] = append(c.by[path], line...)
		case len(bytes.TrimSpace(line)) > 0:
			c.aboutNothing = append(c.aboutNothing, line...)
		}
	}
	return c
}
