package cases

// securityBreakages are the faults that the cases of security must find.
var securityBreakages = map[string][]breakage{}
