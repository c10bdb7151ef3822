package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Open opens a regular file for reading, as [OpenFile] does.
func Open(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) }

// OpenFile is [os.OpenFile] for a regular file, through symbolic links. It never
// waits: a pipe, device, socket or directory is refused with a
// [NotRegularError] without being read or written.
func OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	// Opening some devices does something, so the name is looked at before;
	// what is opened is looked at again, as it may be another file by then.
	fi, err := os.Stat(path)
	switch {
	case err == nil && !fi.Mode().IsRegular():
		return nil, &NotRegularError{path, fi.Mode()}
	case err != nil && (flag&os.O_CREATE == 0 || !errors.Is(err, fs.ErrNotExist)):
		return nil, err
	}
	f, err := os.OpenFile(path, flag|nonBlock, perm)
	if err != nil {
		return nil, err
	}
	if fi, err = f.Stat(); err != nil {
		_ = f.Close()
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		_ = f.Close()
		return nil, &NotRegularError{path, fi.Mode()}
	}
	return f, nil
}

// Append adds data to the end of a regular file, which is made if it does not
// exist. It is for files that another program owns and reads, as those in which
// the runner of GitHub Actions collects what a step says.
func Append(path string, data []byte) error {
	f, err := OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// ReadFile returns the contents of a regular file of at most limit bytes. A
// larger one is refused with a [TooLargeError] before it is read.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Size() > limit {
		return nil, &TooLargeError{path, fi.Size(), limit}
	}
	data := make([]byte, 0, fi.Size()+1) // one more, so that the end is seen at once
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if int64(len(data)) > limit { // it grew meanwhile, or its size says nothing
			return nil, &TooLargeError{path, int64(len(data)), limit}
		}
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

// NotRegularError says that something else than a regular file has the name.
type NotRegularError struct {
	Path string
	Mode fs.FileMode
}

func (e *NotRegularError) Error() string {
	return fmt.Sprintf("%s is %s, expected a regular file", e.Path, Kind(e.Mode))
}

// TooLargeError says that a file is larger than any that makes sense there.
type TooLargeError struct {
	Path        string
	Size, Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s has %d bytes, expected at most %d", e.Path, e.Size, e.Limit)
}

// Kind names a file's type with its article: "a directory", "a named pipe".
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a regular file"
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}
