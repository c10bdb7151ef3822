package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"facerec/internal/text"
)

// cellOutput shows what a cell's build_cmd writes, line by line, each line
// after the cell's name and none inside another's. The last lines are kept; when
// the run is quiet nothing else is shown, and they only if the command fails.
type cellOutput struct {
	out      io.Writer
	terminal *sync.Mutex // shared by all cells
	cell     string
	quiet    bool

	kept    [][]byte
	streams []*lineStream
}

// How many lines are kept of a cell, and how many of them its error has, and the
// longest line that is waited for.
const (
	keptLines  = 40
	lastLines  = 10
	longestRow = 64 << 10
)

func newCellOutput(out io.Writer, terminal *sync.Mutex, cell string, quiet bool) *cellOutput {
	return &cellOutput{out: out, terminal: terminal, cell: cell, quiet: quiet}
}

// stream gives a writer of its own to standard output and to standard error,
// so that a line of one is never joined to a line of the other.
func (c *cellOutput) stream() io.Writer {
	s := &lineStream{to: c}
	c.streams = append(c.streams, s)
	return s
}

// finish shows lines that had no end, and what was kept back if it matters.
func (c *cellOutput) finish(failed bool) {
	for _, s := range c.streams {
		if len(s.row) > 0 {
			c.line(s.row)
			s.row = nil
		}
	}
	if !failed || !c.quiet {
		return
	}
	c.terminal.Lock()
	defer c.terminal.Unlock()
	for _, l := range c.kept {
		fmt.Fprint(c.out, text.Lines(fmt.Sprintf("[%s] %s\n", c.cell, l)))
	}
}

// line shows one line. Of a row that was written over and over (a progress bar)
// only the last state is a line.
func (c *cellOutput) line(row []byte) {
	row = bytes.TrimRight(row, "\r")
	row = row[bytes.LastIndexByte(row, '\r')+1:]
	c.terminal.Lock()
	defer c.terminal.Unlock()
	c.kept = append(c.kept, bytes.Clone(row))
	c.kept = c.kept[max(0, len(c.kept)-keptLines):]
	if !c.quiet {
		fmt.Fprint(c.out, text.Lines(fmt.Sprintf("[%s] %s\n", c.cell, row)))
	}
}

// last gives the end of what was written, without blank lines.
func (c *cellOutput) last() []string {
	var out []string
	for _, l := range c.kept {
		if s := text.Line(string(l), 400); strings.TrimSpace(s) != "" {
			out = append(out, s)
		}
	}
	return out[max(0, len(out)-lastLines):]
}

// lineStream cuts what is written to it into lines.
type lineStream struct {
	to  *cellOutput
	row []byte
}

// Write never fails: a command must not die of a closed terminal.
func (s *lineStream) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		s.to.line(append(s.row, p[:i]...))
		s.row, p = s.row[:0], p[i+1:]
	}
	s.row = append(s.row, p...)
	for len(s.row) >= longestRow {
		s.to.line(s.row[:longestRow])
		s.row = append(s.row[:0], s.row[longestRow:]...)
	}
	return n, nil
}
