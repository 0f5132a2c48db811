package report

import (
	"bytes"
	"encoding/json"
	"io"
)

// lines is a JSON object to which lists are appended, of which each entry has a line.
type lines struct {
	text    bytes.Buffer
	encoder *json.Encoder
}

// newLines begins with the fields of an object, which has some.
func newLines(object any) (*lines, error) {
	l := &lines{}
	l.encoder = json.NewEncoder(&l.text)
	l.encoder.SetEscapeHTML(false)
	l.encoder.SetIndent("", "  ")
	if err := l.encoder.Encode(object); err != nil {
		return nil, err
	}
	l.text.Truncate(l.text.Len() - len("\n}\n"))
	l.encoder.SetIndent("", "")
	return l, nil
}

// appendLines appends a list; an empty one only if it is required.
func appendLines[T any](l *lines, name string, list []T, required bool) error {
	if len(list) == 0 {
		if required {
			l.text.WriteString(",\n  \"" + name + "\": []")
		}
		return nil
	}
	l.text.WriteString(",\n  \"" + name + "\": [")
	for i, one := range list {
		if i > 0 {
			l.text.WriteByte(',')
		}
		l.text.WriteString("\n    ")
		if err := l.encoder.Encode(one); err != nil {
			return err
		}
		l.text.Truncate(l.text.Len() - len("\n"))
	}
	l.text.WriteString("\n  ]")
	return nil
}

// end closes the object, and writes it.
func (l *lines) end(w io.Writer) error {
	l.text.WriteString("\n}\n")
	_, err := l.text.WriteTo(w)
	return err
}
