package trust

import (
	"errors"
	"fmt"
	"io"
)

// cutBody names a body that ends before it should: bytes that never came are not a
// verdict on those that did.
type cutBody struct{ io.ReadCloser }

func (b cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errCut, err)
	}
	return n, err
}
