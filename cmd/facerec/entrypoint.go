package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The user that images are made for, by number: a container needs no passwd.
const (
	serviceUser  = 10001
	serviceGroup = 10001
)

func entrypointCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "entrypoint [VERB] [flags] [args]...",
		Short: "For containers: hand over the models volume, stop being root, run the rest",
		Long: `Entrypoint runs the rest of its command line as facerec would, but not as root.

Started as root, it first hands the folder of --models-cache (FACEREC_MODELS_CACHE),
a mounted volume, to 10001:10001: the folder itself and the model files in it,
nothing else. Then it becomes 10001:10001 for good, without capabilities or other
groups and with no way back, and runs the rest. Started as anybody else it runs the
rest at once.

For that root needs the capabilities CHOWN, SETUID and SETGID; without the last two
it refuses to go on.`,
		Example: `  docker run --user 0:0 -v models:/models -e FACEREC_MODELS_CACHE=/models IMAGE entrypoint recognize -`,
		// All flags belong to the rest.
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return cmd.Help()
			}
			return entrypoint(w, args)
		},
	}
}

func entrypoint(w *world, args []string) error {
	env := os.Environ()
	if os.Geteuid() == 0 || os.Getuid() == 0 {
		if dir := volumeOf(w, args); dir != "" {
			if err := handOver(dir, w.pinnedNames()); err != nil {
				// It may be in order all the same; if not, the rest will say so.
				w.warn(err.Error())
			}
		}
		// Credentials are a thread's; the one that has them is the one that
		// replaces the program.
		runtime.LockOSThread()
		if err := dropPrivileges(); err != nil {
			return fmt.Errorf("cannot stop being root: %w; allow the capabilities SETUID and SETGID, or start as %d:%d at once (docker run --user %d:%d)",
				err, serviceUser, serviceGroup, serviceUser, serviceGroup)
		}
		env = homeless(env)
	}
	if err := w.exec(args, env); err != nil {
		return fmt.Errorf("cannot start again: %w", err)
	}
	return nil
}

// volumeOf is the models cache that the rest of the command line will use.
func volumeOf(w *world, args []string) string {
	cmd, flags, err := newRoot(w).Find(args)
	if err != nil || cmd.Name() == "entrypoint" {
		return ""
	}
	// What is wrong with the flags the rest will say.
	_ = cmd.ParseFlags(flags)
	_, _ = settle(w, cmd)
	if f := cmd.Flags().Lookup("models-cache"); f != nil {
		return f.Value.String()
	}
	return ""
}

func (w *world) pinnedNames() []string {
	var out []string
	for _, m := range w.pins.Models {
		out = append(out, m.Name)
	}
	return out
}

// handOver makes the service user the owner of dir and of the named files in
// it. It follows no link within dir.
func handOver(dir string, names []string) error {
	fi, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // the rest says what to do
	case err != nil:
		return fmt.Errorf("%s: cannot be handed to %d:%d: %w", dir, serviceUser, serviceGroup, plain(err))
	case !fi.IsDir():
		return nil
	}
	if abs, err := filepath.Abs(dir); err == nil && filepath.Clean(abs) == "/" {
		return fmt.Errorf("%s: is not handed to %d:%d, it is everything; expected a folder of its own for models", dir, serviceUser, serviceGroup)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("%s: cannot be handed to %d:%d: %w", dir, serviceUser, serviceGroup, plain(err))
	}
	defer root.Close()
	for _, name := range append([]string{"."}, names...) {
		fi, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && owned(fi) {
			continue
		}
		if err == nil {
			err = root.Lchown(name, serviceUser, serviceGroup)
		}
		if err != nil {
			return fmt.Errorf("%s: cannot be handed to %d:%d: %w; allow the capability CHOWN, or chown -R %d:%d it yourself",
				filepath.Join(dir, name), serviceUser, serviceGroup, plain(err), serviceUser, serviceGroup)
		}
	}
	if mode := fi.Mode().Perm(); mode&0o700 != 0o700 {
		if err := root.Chmod(".", mode|0o700); err != nil {
			return fmt.Errorf("%s: cannot be made writable: %w", dir, plain(err))
		}
	}
	return nil
}

func owned(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Uid == serviceUser && st.Gid == serviceGroup
}

// homeless takes root's home out of an environment: the service user has none.
func homeless(env []string) []string {
	var out []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, "HOME=") {
			out = append(out, kv)
		}
	}
	return append(out, "HOME=/")
}

// execSelf replaces this process by the same program with other arguments.
func execSelf(args, env []string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(exe, append([]string{os.Args[0]}, args...), env)
}
