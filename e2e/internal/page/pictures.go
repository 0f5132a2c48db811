package page

import (
	"strings"

	"procns/e2e/internal/permission"
	"procns/e2e/internal/report"
)

// picture is a table of who may do what to whose process, in colour.
type picture struct {
	Case       reference
	Targets    string
	Operations []permission.Operation
	Callers    []caller
	// Rest is what the case said below the table: whose credentials these are.
	Rest string
}

// caller is one who tried, with a row for each process that it was tried on.
type caller struct {
	Name string
	Rows []pictureRow
}

type pictureRow struct {
	Target string
	Cells  []pictureCell
}

// pictureCell is one answer. Where the rules compute another one, Text says both.
type pictureCell struct{ Class, Text string }

// mostPictures is how many there are: one for each thing that was recorded.
const mostPictures = 6

func picturesOf(d report.Document, links map[string]string) []picture {
	var all []picture
	places := map[string]int{}
	targets := map[string][]string{}
	for _, r := range d.Results {
		if !strings.HasPrefix(r.Recorded, "CALLER") {
			continue
		}
		key := r.ID + "\x00" + r.Recorded
		targets[key] = append(targets[key], r.Target)
		if _, known := places[key]; known || len(all) >= mostPictures {
			continue
		}
		if rows, rest, ok := permission.ReadTable(r.Recorded); ok {
			places[key] = len(all)
			all = append(all, draw(rows, rest))
			all[len(all)-1].Case = reference{r.ID, links[r.ID]}
		}
	}
	for key, i := range places {
		all[i].Targets = named(targets[key])
	}
	return all
}

func draw(rows []permission.Row, rest string) picture {
	p := picture{Operations: permission.Operations(), Rest: short(strings.TrimSpace(rest))}
	for _, row := range rows {
		if n := len(p.Callers); n == 0 || p.Callers[n-1].Name != row.Caller {
			p.Callers = append(p.Callers, caller{Name: row.Caller})
		}
		drawn := pictureRow{Target: row.Target}
		for _, operation := range p.Operations {
			drawn.Cells = append(drawn.Cells, drawCell(row, operation))
		}
		last := &p.Callers[len(p.Callers)-1]
		last.Rows = append(last.Rows, drawn)
	}
	return p
}

func drawCell(row permission.Row, operation permission.Operation) pictureCell {
	c, tried := row.Cells[operation]
	switch {
	case !tried:
		return pictureCell{"untried", "–"}
	case !c.Agrees():
		return pictureCell{"odd", c.String()}
	case c.Observed.Errno == "":
		return pictureCell{"may", "ok"}
	case c.Observed.Errno == "EPERM":
		return pictureCell{"eperm", "EPERM"}
	}
	return pictureCell{"eacces", string(c.Observed.Errno)}
}
