package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// adopt makes this process the parent of what its descendants leave behind.
func adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// reap ends all children, and those that become children thereby: act starts every
// step in a process group of its own, and ends only the first process of it.
func reap() {
	for range 1000 {
		children := childrenOf(os.Getpid())
		if len(children) == 0 {
			return
		}
		for _, pid := range children {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
	}
}

// childrenOf reads the process table.
func childrenOf(parent int) (pids []int) {
	tables, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	for _, table := range tables {
		raw, err := os.ReadFile(table)
		if err != nil {
			continue // it has ended
		}
		// PID (NAME) STATE PPID …; a name may have any byte in it.
		end := bytes.LastIndexByte(raw, ')')
		fields := bytes.Fields(raw[end+1:])
		if end < 0 || len(fields) < 2 || string(fields[1]) != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(table))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
