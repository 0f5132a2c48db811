package cases

// initBreakages are the faults that the cases of init must find.
var initBreakages = map[string][]breakage{}
