package picture

import (
	"bytes"
	"fmt"
	"io"
)

// Read reads a picture file of at most MaxBytes. It looks at the first bytes
// before it reads the rest: of a video of gigabytes no more than 4 KB are read,
// and the error is Check's.
func Read(r io.Reader) ([]byte, error) {
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, r, 4096); err != nil && err != io.EOF {
		return nil, err
	}
	if err := Check(buf.Bytes()); err != nil {
		return nil, err
	}
	if _, err := io.Copy(&buf, io.LimitReader(r, MaxBytes+1-int64(buf.Len()))); err != nil {
		return nil, err
	}
	if buf.Len() > MaxBytes {
		return nil, &TooLargeError{fmt.Sprintf("more than %d bytes", MaxBytes), "scale it down"}
	}
	return buf.Bytes(), nil
}
