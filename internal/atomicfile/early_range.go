//go:build linux && !arm

package atomicfile

import (
	"os"
	"syscall"
)

// syncWrite is SYNC_FILE_RANGE_WRITE of sync_file_range(2).
const syncWrite = 2

// beginWriting asks for a part of a file to be written to disk, and does not wait. If
// it cannot be, syncing says so.
func beginWriting(f *os.File, off, n int64) {
	_ = syscall.SyncFileRange(int(f.Fd()), off, n, syncWrite)
}
