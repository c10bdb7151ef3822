//go:build !linux

package main

import (
	"errors"
)

// dropPrivileges is for containers, which are Linux.
func dropPrivileges() error {
	return errors.New("this can only be done on Linux")
}
