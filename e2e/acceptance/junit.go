package acceptance

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// junit is what CI systems go by in a JUnit report.
type junit struct {
	// Time is that of the run, and Times those of its cases, in seconds.
	Time  float64
	Times []float64
	// Names are those of everything that has one, and of the classes.
	Names []string
}

func readJUnit(text []byte) (junit, error) {
	var read junit
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF):
			return read, nil
		case err != nil:
			return junit{}, fmt.Errorf("not XML: %w", err)
		}
		if element, ok := token.(xml.StartElement); ok {
			if err := read.add(element); err != nil {
				return junit{}, err
			}
		}
	}
}

func (j *junit) add(element xml.StartElement) error {
	for _, attribute := range element.Attr {
		switch attribute.Name.Local {
		case "name", "classname":
			j.Names = append(j.Names, attribute.Value)
		case "time":
			seconds, err := strconv.ParseFloat(attribute.Value, 64)
			if err != nil {
				return fmt.Errorf("the time of a %s: %w", element.Name.Local, err)
			}
			switch element.Name.Local {
			case "testsuites":
				j.Time = seconds
			case "testcase":
				j.Times = append(j.Times, seconds)
			}
		}
	}
	return nil
}

// spent is the time of the case that took longest, and that of all of them.
func (j junit) spent() (longest, sum float64) {
	for _, seconds := range j.Times {
		longest = max(longest, seconds)
		sum += seconds
	}
	return longest, sum
}

// naming are the names that hold a text.
func (j junit) naming(text string) []string {
	var all []string
	for _, name := range j.Names {
		if strings.Contains(name, text) {
			all = append(all, name)
		}
	}
	return all
}
