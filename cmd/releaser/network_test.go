package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"facerec/internal/loopback/hostile"
)

// faultCommand is what scripts spoil answers with:
//
//	fault KIND PATH TIMES [ARG…]
//
// KIND is one below, PATH is @FILE (what ends in the text of FILE) or the end of
// a path itself, TIMES 0 means for ever. "fault" alone mends all.
func faultCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		front(ts).Mend()
		return
	}
	if neg || len(args) < 3 {
		ts.Fatalf("usage: fault KIND PATH TIMES [ARG…]")
	}
	times, err := strconv.Atoi(args[2])
	ts.Check(err)
	rest := args[3:]
	number := func() int {
		n, err := strconv.Atoi(rest[0])
		ts.Check(err)
		rest = rest[1:]
		return n
	}
	var with hostile.Spoiler
	switch args[0] {
	case "cut":
		with = hostile.Cut(number())
	case "stall":
		with = hostile.Stall(number())
	case "status":
		code := number()
		with = hostile.Status(code, rest...)
	case "header":
		with = hostile.Header(rest...)
	case "flip":
		with = hostile.Body(hostile.Flip, true)
	case "longer":
		with = hostile.Body(hostile.Longer, true)
	case "shorter":
		with = hostile.Body(hostile.Shorter, false)
	case "endless":
		with = hostile.Endless
	case "redirect":
		with = hostile.Redirect(rest[0])
	default:
		ts.Fatalf("unknown fault %q", args[0])
	}
	front(ts).Spoil(ending(ts, args[1]), times, with)
}

// asked N PATH wants the registry to have been asked for PATH that often since it
// was last mended.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: asked N PATH")
	}
	if got := len(front(ts).Requests(ending(ts, args[1]))); strconv.Itoa(got) != args[0] {
		ts.Fatalf("asked %d times for %s, want %s", got, args[1], args[0])
	}
}

func ending(ts *testscript.TestScript, path string) string {
	if name, ok := strings.CutPrefix(path, "@"); ok {
		return strings.TrimSpace(ts.ReadFile(name))
	}
	return path
}

// waitFor PATTERN waits until a file is there, and is not empty.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor PATTERN")
	}
	for range 3000 {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		for _, f := range found {
			if fi, err := os.Stat(f); err == nil && fi.Size() > 0 {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s does not appear", args[0])
}
