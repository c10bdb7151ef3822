package atomicfile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// Journal is a file that grows by lines, for what a long run has done: whenever the
// run is killed, every line is in the file whole or not at all. One process at a
// time has it.
//
// A line in the file is 16 hexadecimal digits of the SHA-256 of what follows, a
// blank, and the text. What was cut or damaged is not given back.
type Journal struct {
	path string
	f    *os.File
	end  int64 // bytes
}

// MaxJournalLine bounds a line of a journal, in bytes.
const MaxJournalLine = 1 << 20

// OpenJournal opens a journal, which is made if it does not exist, and passes its
// lines to line in order, each with its place, by which [Journal.Line] finds it
// again. A file of more than limit bytes is refused. damaged is how many lines
// were not as they were written; the last of them may be one that a killed run did
// not finish. A journal that another process has open is refused with a
// [*BusyError].
func OpenJournal(ctx context.Context, path string, limit int64, line func(at int64, text []byte)) (j *Journal, damaged int, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		f, err := lockJournal(path)
		if err != nil {
			return nil, 0, err
		}
		if now, err := os.Stat(path); err == nil {
			if mine, err := f.Stat(); err == nil && os.SameFile(now, mine) {
				j = &Journal{path: path, f: f}
				break
			}
		}
		_ = f.Close() // another run has replaced it
	}
	fi, err := j.f.Stat()
	if err == nil && fi.Size() > limit {
		err = &TooLargeError{path, fi.Size(), limit}
	}
	if err == nil {
		damaged, err = j.read(line)
	}
	if err != nil {
		return nil, 0, errors.Join(err, j.f.Close())
	}
	return j, damaged, nil
}

// BusyError says that another process has a file open that only one may.
type BusyError struct{ Path string }

func (e *BusyError) Error() string { return e.Path + " is in use by another run" }

// Hint says what to do about it.
func (e *BusyError) Hint() string { return "wait for that run, or name another file" }

func lockJournal(path string) (*os.File, error) {
	f, err := OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		var nr *NotRegularError
		if errors.As(err, &nr) {
			return nil, err
		}
		return nil, &WriteError{path, err}
	}
	// Where the system or the file system knows no locks, nobody else is kept out.
	if held, err := tryLock(f); !held && err == nil {
		return nil, errors.Join(&BusyError{path}, f.Close())
	}
	return f, nil
}

// read passes on the lines that are as they were written.
func (j *Journal) read(line func(int64, []byte)) (damaged int, err error) {
	in := bufio.NewScanner(j.f)
	in.Buffer(nil, journalHead+MaxJournalLine+1)
	in.Split(wholeLines)
	cut := false
	for in.Scan() {
		raw, whole := bytes.CutSuffix(in.Bytes(), []byte("\n"))
		cut = !whole
		if text, ok := journalText(raw); ok {
			line(j.end, text)
		} else {
			damaged++
		}
		j.end += int64(len(in.Bytes()))
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return damaged, fmt.Errorf("%s: a line of more than %d bytes: it is not a file of this program", j.path, MaxJournalLine)
	}
	if err := in.Err(); err != nil {
		return damaged, err
	}
	if cut { // what comes next begins a line
		_, err = j.f.Write([]byte("\n"))
		j.end++
	}
	return damaged, err
}

// wholeLines is bufio.ScanLines with the line ends.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// journalHead is the length of what stands before a line's text.
const journalHead = 16 + 1

func journalSum(text []byte) []byte {
	sum := sha256.Sum256(text)
	return fmt.Appendf(nil, "%x ", sum[:8])
}

// journalText is what a line says, if it is as it was written.
func journalText(raw []byte) ([]byte, bool) {
	if len(raw) < journalHead || !bytes.Equal(raw[:journalHead], journalSum(raw[journalHead:])) {
		return nil, false
	}
	return raw[journalHead:], true
}

// Append adds a line, which has no line feed in it, and waits until the disk has
// it. It returns the line's place.
func (j *Journal) Append(text []byte) (at int64, err error) {
	if bytes.IndexByte(text, '\n') >= 0 || len(text) > MaxJournalLine {
		return 0, fmt.Errorf("%s: expected one line of at most %d bytes", j.path, MaxJournalLine)
	}
	n, err := j.f.Write(append(append(journalSum(text), text...), '\n'))
	at = j.end
	j.end += int64(n)
	if err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		return 0, &WriteError{j.path, err}
	}
	return at, nil
}

// Line returns the line at a place.
func (j *Journal) Line(at int64) ([]byte, error) {
	in := bufio.NewReader(io.NewSectionReader(j.f, at, j.end-at))
	raw, err := in.ReadBytes('\n')
	if err == nil {
		if text, ok := journalText(bytes.TrimSuffix(raw, []byte("\n"))); ok {
			return text, nil
		}
	}
	return nil, fmt.Errorf("%s: the line at byte %d is damaged", j.path, at)
}

// Keep drops all lines but those at the given places. It returns where they are
// now.
func (j *Journal) Keep(places []int64) ([]int64, error) {
	var now []int64
	end := int64(0)
	err := Write(j.path, 0o644, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		for _, at := range places {
			text, err := j.Line(at)
			if err != nil {
				return err
			}
			now = append(now, end)
			end += int64(journalHead + len(text) + 1)
			for _, part := range [][]byte{journalSum(text), text, []byte("\n")} {
				_, _ = b.Write(part)
			}
		}
		return b.Flush()
	})
	if err != nil {
		return nil, err
	}
	f, err := lockJournal(j.path)
	if err != nil {
		return nil, err
	}
	err = j.f.Close()
	j.f, j.end = f, end
	return now, err
}

// Close gives the journal to others.
func (j *Journal) Close() error { return j.f.Close() }
