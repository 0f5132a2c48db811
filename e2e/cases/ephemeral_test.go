package cases

// ephemeralBreakages are the faults that the cases of ephemeral must find.
var ephemeralBreakages = map[string][]breakage{}
