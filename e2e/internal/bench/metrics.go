package bench

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// requestCounter is the API server's own, of the requests that it has answered.
const requestCounter = "apiserver_request_total{"

// What stands for execs and attachments among the verbs.
const (
	Execs       = "exec"
	Attachments = "attach"
)

// ReadRequests counts the requests in the API server's metrics (Prometheus' text format), by verb. Execs
// and attachments count as verbs of their own: under which method they come depends on the client. Its
// error names the line that cannot be read.
func ReadRequests(from io.Reader) (map[string]int, error) {
	all := map[string]int{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), requestCounter)
		if !ok {
			continue
		}
		labels, rest, err := readLabels(text)
		if err != nil {
			return nil, fmt.Errorf("metrics: %w in %q", err, lines.Text())
		}
		words := strings.Fields(rest) // a value, and perhaps a time
		if len(words) == 0 {
			return nil, fmt.Errorf("metrics: no value in %q", lines.Text())
		}
		value, err := strconv.ParseFloat(words[0], 64)
		if err != nil || !(value >= 0 && value < 1<<53) {
			return nil, fmt.Errorf("metrics: %q is no count", words[0])
		}
		verb := labels["verb"]
		if sub := labels["subresource"]; labels["resource"] == "pods" && (sub == Execs || sub == Attachments) {
			verb = sub
		}
		all[verb] += int(value)
	}
	return all, lines.Err()
}

// readLabels reads name="value",…} and returns what follows. In values, backslash, quote and newline are
// escaped.
func readLabels(text string) (labels map[string]string, rest string, err error) {
	labels = map[string]string{}
	for {
		text = strings.TrimLeft(text, ", ")
		if rest, ok := strings.CutPrefix(text, "}"); ok {
			return labels, rest, nil
		}
		name, after, ok := strings.Cut(text, `="`)
		if !ok {
			return nil, "", fmt.Errorf("no label")
		}
		end := 0
		for end < len(after) && after[end] != '"' {
			if after[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(after) {
			return nil, "", fmt.Errorf("a label without an end")
		}
		labels[name] = after[:end]
		text = after[end+1:]
	}
}

// Since is what came to each count since the earlier ones. A counter that is smaller began anew.
func Since(earlier, later map[string]int) map[string]int {
	grown := map[string]int{}
	for verb, n := range later {
		if n >= earlier[verb] {
			n -= earlier[verb]
		}
		if n > 0 {
			grown[verb] = n
		}
	}
	return grown
}
