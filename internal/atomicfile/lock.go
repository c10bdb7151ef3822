package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Pauses between two tries for a lock that somebody else has.
const (
	firstPause = time.Millisecond
	lastPause  = 100 * time.Millisecond
)

// Lock waits until no other process or caller has the lock on the file path,
// which is made if it does not exist. It ends with the context. The lock is
// advisory, and given up by unlock and when the process ends. Where the system or
// the file system knows no such locks, the error is a [*LockError].
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	// Other users of the machine may take the same one.
	f, err := OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if errors.Is(err, fs.ErrPermission) { // another user's
		f, err = Open(path)
	}
	if err != nil {
		return nil, err
	}
	return lock(ctx, f)
}

// LockDir is [Lock] for a directory, which must exist.
func LockDir(ctx context.Context, path string) (unlock func(), err error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, &fs.PathError{Op: "lock", Path: path, Err: syscall.ENOTDIR}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, err
	}
	return lock(ctx, f)
}

func lock(ctx context.Context, f *os.File) (unlock func(), err error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		held, err := tryLock(f)
		if held {
			return func() { _ = f.Close() }, nil // closing gives it up
		}
		if err != nil {
			_ = f.Close()
			return nil, &LockError{f.Name(), err}
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), ctx.Err())
		case <-time.After(pause):
		}
	}
}

// LockError says that a path cannot be locked, whoever has the lock.
type LockError struct {
	Path string
	Err  error
}

func (e *LockError) Error() string { return "lock " + e.Path + ": " + e.Err.Error() }

// Unwrap returns the error of the system.
func (e *LockError) Unwrap() error { return e.Err }
