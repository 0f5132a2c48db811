package cases

// disruptionBreakages are the faults that the cases of disruption must find.
var disruptionBreakages = map[string][]breakage{}
