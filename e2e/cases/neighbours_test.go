package cases

// neighboursBreakages are the faults that the cases of neighbours must find.
var neighboursBreakages = map[string][]breakage{}
