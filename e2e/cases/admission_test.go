package cases

// admissionBreakages are the faults that the cases of admission must find.
var admissionBreakages = map[string][]breakage{}
