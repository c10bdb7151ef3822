package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// dropPrivileges makes this process the service user's: real, effective and
// saved ids, no other groups, and no program that it ever starts can gain
// anything by a set-id bit. With root's ids go all capabilities. It makes sure
// that there is no way back.
func dropPrivileges() error {
	if err := unix.Setgroups(nil); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := unix.Setresgid(serviceGroup, serviceGroup, serviceGroup); err != nil {
		return fmt.Errorf("setresgid: %w", err)
	}
	if err := unix.Setresuid(serviceUser, serviceUser, serviceUser); err != nil {
		return fmt.Errorf("setresuid: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	if ruid != serviceUser || euid != serviceUser || suid != serviceUser || rgid != serviceGroup || egid != serviceGroup || sgid != serviceGroup {
		return fmt.Errorf("still %d/%d/%d:%d/%d/%d afterwards", ruid, euid, suid, rgid, egid, sgid)
	}
	if unix.Setresuid(0, 0, 0) == nil {
		return errors.New("there was a way back")
	}
	return nil
}
