package cases

// stressBreakages are the faults that the cases of stress must find.
var stressBreakages = map[string][]breakage{}
