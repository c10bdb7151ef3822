package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting starts to flush a part of a file to disk and does not wait. If that
// fails, syncing the file reports it.
func beginWriting(f *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE)
}
