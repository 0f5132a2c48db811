package cases

// lifecycleBreakages are the faults that the cases of lifecycle must find.
var lifecycleBreakages = map[string][]breakage{}
