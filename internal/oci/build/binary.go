package build

import (
	"fmt"
	"io"

	"facerec/internal/executable"
	"facerec/internal/release"
)

// WrongBinaryError says that build_cmd left a program that cannot run in the
// image of its cell.
type WrongBinaryError struct {
	Path          string // of the artifact, in the directory of config.json
	Platform      release.Platform
	Expected, Got string
}

func (e *WrongBinaryError) Error() string {
	return fmt.Sprintf("artifact %s is not a program for %s: expected %s, got %s", e.Path, e.Platform, e.Expected, e.Got)
}

// Hint says what to do about it.
func (e *WrongBinaryError) Hint() string {
	return `fix build_cmd, or set "binary" for the artifact in config.json to allow it`
}

// checkBinary compares a program of an artifact with what the configuration
// asks for. Files that are not programs, and object files, are accepted.
func checkBinary(r io.ReaderAt, size int64, name string, p release.Platform, want string) error {
	if want == release.BinaryAny {
		return nil
	}
	prog, err := executable.Read(r, size)
	if err != nil {
		return &WrongBinaryError{name, p, "an ELF file for " + p.Arch, err.Error()}
	}
	if prog == nil {
		return nil
	}
	if expected, got := prog.RunsOn(p.OS, p.Arch); expected != "" {
		return &WrongBinaryError{name, p, expected, got}
	}
	if links := prog.Linked(); links != "" && want == release.BinaryStatic {
		return &WrongBinaryError{name, p, "a statically linked program", "a dynamically linked one (" + links + ")"}
	}
	return nil
}
