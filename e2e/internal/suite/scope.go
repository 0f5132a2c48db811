package suite

// Scope says of a sweep which cases are asked where: all of them on one target of each
// kind of node, and a few on every target. Of what is not asked there is no result, and none is missing.
type Scope struct {
	// Everywhere are the IDs of the cases that are asked on every target, and Samples the
	// names of the targets on which all are.
	Everywhere []string `json:"everywhere"`
	Samples    []string `json:"samples"`
	// Late are the names of targets that came while the sweep ran, and were asked in the end.
	Late []string `json:"late,omitempty"`
}

// Join takes in targets that came while the sweep ran. there are those that it has had and that were not left
// out: of a kind of which no sample is among them, the first that came is one.
func (s *Scope) Join(late, there []Target) {
	samples, sampled := map[string]bool{}, map[Model]bool{}
	for _, name := range s.Samples {
		samples[name] = true
	}
	for _, t := range there {
		sampled[t.Model()] = sampled[t.Model()] || samples[t.Name()]
	}
	for _, t := range late {
		s.Late = append(s.Late, t.Name())
		if m := t.Model(); !sampled[m] {
			sampled[m] = true
			s.Samples = append(s.Samples, t.Name())
		}
	}
}

// NewScope takes the first target of each Model for a sample. Of the selected cases, those
// for which everywhere says yes are asked on every target.
func NewScope(targets []Target, selected []Case, everywhere func(Case) bool) *Scope {
	s := &Scope{Everywhere: []string{}, Samples: []string{}}
	for _, c := range selected {
		if everywhere(c) {
			s.Everywhere = append(s.Everywhere, c.ID)
		}
	}
	seen := map[Model]bool{}
	for _, t := range targets {
		if m := t.Model(); !seen[m] {
			seen[m] = true
			s.Samples = append(s.Samples, t.Name())
		}
	}
	return s
}

// Asks returns what tells whether a case, by its ID, is asked on a target, by its name.
// Without a scope all are, everywhere.
func (s *Scope) Asks() func(id, target string) bool {
	if s == nil {
		return func(string, string) bool { return true }
	}
	everywhere, samples := map[string]bool{}, map[string]bool{}
	for _, id := range s.Everywhere {
		everywhere[id] = true
	}
	for _, target := range s.Samples {
		samples[target] = true
	}
	return func(id, target string) bool { return everywhere[id] || samples[target] }
}

// On is how many results there are to be of so many selected cases, of which so many are asked
// everywhere.
func (s *Scope) On(targets []Target, selected, everywhere int) int {
	if s == nil {
		return selected * len(targets)
	}
	samples := map[string]bool{}
	for _, target := range s.Samples {
		samples[target] = true
	}
	wanted := 0
	for _, t := range targets {
		if samples[t.Name()] {
			wanted += selected
		} else {
			wanted += everywhere
		}
	}
	return wanted
}

// CasesOn returns what tells which of the cases are asked on a target, and how: on one that is no sample, with
// their pairs.
func (s *Scope) CasesOn(cases []Case) func(Target) []Case {
	if s == nil {
		return func(Target) []Case { return cases }
	}
	asks, samples := s.Asks(), map[string]bool{}
	for _, target := range s.Samples {
		samples[target] = true
	}
	var swept []Case
	for _, c := range cases {
		if asks(c.ID, "") { // everywhere
			swept = append(swept, c.Swept())
		}
	}
	return func(target Target) []Case {
		if samples[target.Name()] {
			return cases
		}
		return swept
	}
}
