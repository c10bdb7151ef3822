//go:build !unix

package atomicfile

import (
	"errors"
	"os"
)

// tryLock knows no locks here: what needs them, the store of build inputs and
// the servers of tests, runs on Unix.
func tryLock(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }
