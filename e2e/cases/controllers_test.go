package cases

// controllersBreakages are the faults that the cases of controllers must find.
var controllersBreakages = map[string][]breakage{}
