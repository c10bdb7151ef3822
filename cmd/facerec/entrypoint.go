package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"facerec/internal/text"
)

// The user that images are made for, by number: a container needs no passwd.
const (
	serviceUser  = 10001
	serviceGroup = 10001
)

func entrypointCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "entrypoint [VERB] [flags] [args]...",
		Short: "For containers: hand over the models volume, drop root, run the rest",
		Long: `Entrypoint runs the rest of its command line as facerec would, but not as root.

Started as root, it first hands the directory of --models-cache (FACEREC_MODELS_CACHE),
a mounted volume, to 10001:10001: the directory itself and the model files in it,
nothing else. It follows no link, and leaves alone what is not a regular file with
one name. Then it becomes 10001:10001, without capabilities or other groups and with
no way back, and runs the rest. Started as anybody else it runs the rest at once.

For that root needs the capabilities CHOWN, SETUID and SETGID; without the last two
it refuses to continue.`,
		Example: `  docker run --user 0:0 -v models:/models -e FACEREC_MODELS_CACHE=/models IMAGE entrypoint recognize -`,
		// All flags belong to the rest.
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return cmd.Help()
			}
			return entrypoint(env, args)
		},
	}
}

func entrypoint(env *environment, args []string) error {
	environ := os.Environ()
	if os.Geteuid() == 0 || os.Getuid() == 0 {
		if dir := volumeOf(env, args); dir != "" {
			if err := handOver(dir, env.pinnedNames()); err != nil {
				// The models may be usable all the same; if not, the rest reports it.
				env.warnf("%v", err)
				env.hint(err)
			}
		}
		// Credentials are a thread's; the one that has them is the one that
		// replaces the program.
		runtime.LockOSThread()
		if err := env.drop(); err != nil {
			return text.WithHint(fmt.Errorf("cannot drop root's privileges: %w", err), "allow the capabilities SETUID and SETGID, or start as %d:%d (docker run --user %d:%d)",
				serviceUser, serviceGroup, serviceUser, serviceGroup)
		}
		environ = homeless(environ)
	}
	if err := env.exec(args, environ); err != nil {
		return fmt.Errorf("cannot start again: %w", err)
	}
	return nil
}

// volumeOf is the models cache that the rest of the command line will use.
func volumeOf(env *environment, args []string) string {
	cmd, flags, err := newRoot(env).Find(args)
	if err != nil || cmd.Name() == "entrypoint" {
		return ""
	}
	// What is wrong with the flags the rest will say.
	_ = cmd.ParseFlags(flags)
	_, _ = settle(env, cmd)
	if f := cmd.Flags().Lookup("models-cache"); f != nil {
		return f.Value.String()
	}
	return ""
}

func (env *environment) pinnedNames() []string {
	var out []string
	for _, m := range env.pins.Models {
		out = append(out, m.Name)
	}
	return out
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
