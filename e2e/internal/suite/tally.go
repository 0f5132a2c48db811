package suite

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"procns/e2e/internal/difference"
)

// Tally collects what the cluster does to pods, so that each thing is said once.
type Tally struct {
	mu   sync.Mutex
	rows map[string]*tallied
}

type tallied struct {
	what, by, wayOut   string
	manifests, without map[string]bool
}

// TallyRow is one thing, or several that always come together, that the cluster does.
type TallyRow struct {
	What      string   `json:"what"`
	By        string   `json:"by"`
	Manifests []string `json:"manifests"`
	// Without are the IDs of the cases that cannot be judged for it.
	Without []string `json:"without,omitempty"`
	// WayOut is empty where no claim of the catalogue turns on it.
	WayOut string `json:"wayOut,omitempty"`
}

// Add notes the changes of a manifest's pod; cases are those of the run.
func (t *Tally) Add(manifest string, changes Changes, cases []Case) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[string]*tallied{}
	}
	of := strings.TrimPrefix(manifest, copyOf)
	for _, d := range changes.Differences {
		key := d.What() + "\x00" + changes.By.String()
		row := t.rows[key]
		if row == nil {
			row = &tallied{what: d.What(), by: changes.By.String(), manifests: map[string]bool{}, without: map[string]bool{}}
			t.rows[key] = row
		}
		if !d.Class.Harmless() {
			row.wayOut = WayOut(changes.By)
		}
		row.manifests[manifest] = true
		one := &Changes{Differences: []difference.Difference{d}, Images: changes.Images, By: changes.By}
		for _, c := range cases {
			if slices.Contains(c.Manifests(), of) && len(c.Decisive(one)) > 0 {
				row.without[c.ID], row.wayOut = true, WayOut(changes.By)
			}
		}
	}
}

// copyOf begins the name of the manifest of a copy for debugging.
const copyOf = "copy of "

// Rows are what was collected: first what costs the most cases. What is done to the
// same manifests by the same, and costs the same cases, is one row.
func (t *Tally) Rows() []TallyRow {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rows []TallyRow
	for _, key := range slices.Sorted(maps.Keys(t.rows)) {
		r := t.rows[key]
		row := TallyRow{What: r.what, By: r.by, Manifests: slices.Sorted(maps.Keys(r.manifests)), Without: slices.Sorted(maps.Keys(r.without)), WayOut: r.wayOut}
		same := slices.IndexFunc(rows, func(o TallyRow) bool {
			return o.By == row.By && o.WayOut == row.WayOut && slices.Equal(o.Manifests, row.Manifests) && slices.Equal(o.Without, row.Without)
		})
		if same >= 0 {
			rows[same].What += ", " + row.What
			continue
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b TallyRow) int { return len(b.Without) - len(a.Without) })
	return rows
}

// String says a row in one line.
func (r TallyRow) String() string {
	text := "the cluster changes pods: " + r.What + " (" + r.By + "), in " + r.where()
	switch {
	case len(r.Without) == 0:
		text += ": no case of this run turns on it"
	case len(r.Without) == 1:
		text += ": 1 case is inconclusive"
	default:
		text += fmt.Sprintf(": %d cases are inconclusive", len(r.Without))
	}
	if r.WayOut != "" {
		text += "; way out: " + r.WayOut
	}
	return text
}

// where names a few manifests, and counts the others.
func (r TallyRow) where() string {
	const few = 3
	if len(r.Manifests) <= few {
		return strings.Join(r.Manifests, ", ")
	}
	return fmt.Sprintf("%s and %d other manifests", strings.Join(r.Manifests[:few-1], ", "), len(r.Manifests)-few+1)
}
