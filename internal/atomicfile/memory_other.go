//go:build unix && !linux

package atomicfile

import "os"

// inMemory gives the reason why there is no file on a disk.
func inMemory(err error) (*os.File, error) { return nil, err }
