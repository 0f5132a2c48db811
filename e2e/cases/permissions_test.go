package cases

// permissionsBreakages are the faults that the cases of permissions must find.
var permissionsBreakages = map[string][]breakage{}
