package publish

// For tests of what other systems do.
var (
	UnpackFor = unpack
	Together  = together
)
