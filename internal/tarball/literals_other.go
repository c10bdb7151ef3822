//go:build !(goexperiment.simd && amd64 && go1.26 && !go1.27)

package tarball

// wideCodes is for builds that make many codes at a time.
type wideCodes struct{}

const hasWide = false

func (c *wideCodes) set([]code) {}

func (d *deflater) encodeWide(at, _ int) int { return at }
