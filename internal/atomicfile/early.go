package atomicfile

import "os"

// earlyStep is after how many bytes flushing begins.
const earlyStep = 8 << 20

// Early is a large file that is written from its beginning to its end. It is flushed to
// disk while more is written, so that little is left to do when it is synced.
type Early struct {
	File *os.File

	size, begun int64
}

// Write implements io.Writer; its error is a [WriteError].
func (e *Early) Write(p []byte) (int, error) {
	n, err := e.File.Write(p)
	e.size += int64(n)
	if e.size-e.begun >= earlyStep {
		beginWriting(e.File, e.begun, e.size-e.begun)
		e.begun = e.size
	}
	if err != nil {
		err = &WriteError{e.File.Name(), err}
	}
	return n, err
}
