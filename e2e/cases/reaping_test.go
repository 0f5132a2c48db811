package cases

// reapingBreakages are the faults that the cases of reaping must find.
var reapingBreakages = map[string][]breakage{}
