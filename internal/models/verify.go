package models

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"facerec/internal/atomicfile"
)

// State is what became of one model file.
type State int

const (
	OK        State = iota // size and hash are as pinned
	Missing                // there is no such file
	WrongSize              // another size: truncated, or another file
	WrongHash              // right size, other bytes
	Unread                 // there, but it cannot be read
)

// String is one word for reports.
func (s State) String() string {
	switch s {
	case OK:
		return "ok"
	case Missing:
		return "missing"
	case WrongSize:
		return "wrong size"
	case WrongHash:
		return "wrong hash"
	case Unread:
		return "unreadable"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// File is the finding for one model.
type File struct {
	Model  Model
	State  State
	Size   int64  // bytes found, 0 when missing
	SHA256 string // hash found; empty unless the file was hashed
	Cause  error  // of Unread
}

// Err is nil for OK, else one line that names the file, expected and got.
func (f File) Err() error {
	switch f.State {
	case OK:
		return nil
	case Missing:
		return fmt.Errorf("model %s is missing", f.Model.Name)
	case WrongSize:
		return fmt.Errorf("model %s is damaged: expected %d bytes, got %d", f.Model.Name, f.Model.Size, f.Size)
	case WrongHash:
		return fmt.Errorf("model %s is damaged: expected sha256 %s, got %s", f.Model.Name, f.Model.SHA256, f.SHA256)
	}
	return fmt.Errorf("model %s cannot be read: %w", f.Model.Name, f.Cause)
}

// Report is the finding for every model, in the lock's order.
type Report struct{ Files []File }

// OK says that every file is as pinned.
func (r Report) OK() bool { return r.Err() == nil }

// Err joins the complaints, nil when there are none.
func (r Report) Err() error {
	var errs []error
	for _, f := range r.Files {
		errs = append(errs, f.Err())
	}
	return errors.Join(errs...)
}

// Problems are the findings that are not OK, one line each joined by "; ",
// or empty.
func (r Report) Problems() string {
	var lines []string
	for _, f := range r.Files {
		if err := f.Err(); err != nil {
			lines = append(lines, err.Error())
		}
	}
	return strings.Join(lines, "; ")
}

func notAFile(mode fs.FileMode) error {
	return fmt.Errorf("it is %s, expected a file", atomicfile.Kind(mode))
}

// Verify hashes every locked model in fsys. A wrong size is not hashed.
func Verify(fsys fs.FS, l Lock) Report { return check(fsys, l, true) }

// VerifySize looks only at names and sizes; State OK then promises no more.
func VerifySize(fsys fs.FS, l Lock) Report { return check(fsys, l, false) }

func check(fsys fs.FS, l Lock, full bool) Report {
	var r Report
	for _, m := range l.Models {
		r.Files = append(r.Files, checkOne(fsys, m, full))
	}
	return r
}

func checkOne(fsys fs.FS, m Model, full bool) File {
	out := File{Model: m}
	f, err := fsys.Open(m.Name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			out.State = Missing
			return out
		}
		var special *atomicfile.NotRegularError
		if errors.As(err, &special) {
			err = notAFile(special.Mode)
		}
		out.State, out.Cause = Unread, err
		return out
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notAFile(info.Mode())
	}
	if err != nil {
		out.State, out.Cause = Unread, err
		return out
	}
	out.Size = info.Size()
	if out.Size != m.Size {
		out.State = WrongSize
		return out
	}
	if !full {
		return out
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		out.State, out.Cause = Unread, err
		return out
	}
	out.Size, out.SHA256 = n, hex.EncodeToString(h.Sum(nil))
	switch {
	case n != m.Size:
		out.State = WrongSize
	case out.SHA256 != m.SHA256:
		out.State = WrongHash
	}
	return out
}
