package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting asks for a part of a file to be written to disk, and does not wait. If
// it cannot be, syncing says so.
func beginWriting(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}
