package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// envName is the variable that stands for a flag: FACEREC_MAX_PIXELS for --max-pixels.
func envName(flag string) string {
	return "FACEREC_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// notSettings are flags that only make sense on the command line.
var notSettings = map[string]bool{"help": true, "version": true}

// settle gives every flag of cmd that was not typed its value from the
// environment or else from the configuration file, and notes where from in
// sources, by flag.
func settle(env *environment, cmd *cobra.Command) (sources map[string]string, err error) {
	sources = map[string]string{}
	path, explicit := configPath(env, cmd)
	file, err := readConfig(path, explicit)
	if err != nil {
		return nil, err
	}
	if err := knownKeys(cmd.Root(), path, file); err != nil {
		return nil, err
	}
	var errs []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || notSettings[f.Name] {
			return
		}
		value, source := env.getenv(envName(f.Name)), envName(f.Name)
		if value == "" {
			var ok bool
			if value, ok = file[f.Name]; !ok {
				return
			}
			source = path
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			name := text.Show(source)
			if source == path {
				name += ": " + f.Name
			}
			errs = append(errs, usageError{badValue(name, err)})
			return
		}
		sources[f.Name] = source
	})
	return sources, errors.Join(errs...)
}

// configPath is where the configuration file is, and whether somebody said so.
func configPath(env *environment, cmd *cobra.Command) (path string, explicit bool) {
	if f := cmd.Flags().Lookup("config"); f != nil && f.Changed {
		return f.Value.String(), true
	}
	if v := env.getenv(envName("config")); v != "" {
		return v, true
	}
	if _, err := os.Stat("facerec.json"); err == nil {
		return "facerec.json", false
	}
	dir := env.getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := env.getenv("HOME")
		if home == "" {
			return "", false
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "facerec", "config.json"), false
}

// maxConfigBytes is the largest configuration file that is read.
const maxConfigBytes = 1 << 20

// readConfig reads one flat JSON object: flag names to values.
func readConfig(path string, explicit bool) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	data, err := atomicfile.ReadFile(path, maxConfigBytes)
	if err != nil {
		if !explicit && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
			return nil, nil
		}
		return nil, usagef("%s: configuration cannot be read: %v", text.Show(path), plain(err))
	}
	out, err := parseConfig(data)
	if err != nil {
		return nil, usagef("%s: %v", text.Show(path), err)
	}
	return out, nil
}

// parseConfig reads an object whose values are strings, numbers or booleans,
// each key once.
func parseConfig(data []byte) (map[string]string, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // the byte order mark that Notepad writes
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	line := func() int { return 1 + bytes.Count(data[:min(len(data), int(d.InputOffset()))], []byte("\n")) }
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("line %d: expected an object like {\"threshold\": 0.6}", line())
	}
	out := map[string]string{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line(), err)
		}
		key := t.(string) // the decoder lets nothing else stand here
		if _, ok := out[key]; ok {
			return nil, fmt.Errorf("line %d: %q is a duplicate", line(), key)
		}
		v, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line(), err)
		}
		switch v := v.(type) {
		case string, bool, json.Number:
			out[key] = fmt.Sprint(v)
		default:
			return nil, fmt.Errorf("line %d: %q: expected a string, a number, true or false", line(), key)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line(), err)
	}
	if d.More() {
		return nil, fmt.Errorf("line %d: something follows the object", line())
	}
	return out, nil
}

// settingNames lists the flags of all verbs that can be set in a file or by the
// environment.
func settingNames(root *cobra.Command) []string {
	known := map[string]bool{}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		note := func(f *pflag.Flag) {
			if !notSettings[f.Name] {
				known[f.Name] = true
			}
		}
		c.Flags().VisitAll(note)
		c.PersistentFlags().VisitAll(note)
		for _, s := range c.Commands() {
			visit(s)
		}
	}
	visit(root)
	return slices.Sorted(maps.Keys(known))
}

// knownKeys checks that every key is a flag of some verb.
func knownKeys(root *cobra.Command, path string, file map[string]string) error {
	if len(file) == 0 {
		return nil
	}
	names := slices.DeleteFunc(settingNames(root), func(s string) bool { return s == "config" })
	for _, key := range slices.Sorted(maps.Keys(file)) {
		if slices.Contains(names, key) {
			continue
		}
		err := usagef("%s: %q is not a setting", text.Show(path), key)
		if name, ok := text.Nearest(key, names); ok {
			return text.WithHint(err, "did you mean %q?", name)
		}
		return text.WithHint(err, "settings are named like flags, without the dashes")
	}
	return nil
}

// warnOfVariables warns of FACEREC_ variables that no flag reads and that look
// like a misspelt one.
func warnOfVariables(env *environment, root *cobra.Command) {
	var names []string
	for _, name := range settingNames(root) {
		names = append(names, envName(name))
	}
	for _, kv := range env.environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "FACEREC_") || slices.Contains(names, name) {
			continue
		}
		if near, ok := nearVariable(name, names); ok {
			env.warnf("%s has no effect; did you mean %s?", text.Show(name), near)
		}
	}
}

// nearVariable is text.Nearest for what follows FACEREC_: that much is right.
func nearVariable(name string, names []string) (string, bool) {
	var short []string
	for _, n := range names {
		short = append(short, strings.TrimPrefix(n, "FACEREC_"))
	}
	near, ok := text.Nearest(strings.TrimPrefix(name, "FACEREC_"), short)
	return "FACEREC_" + near, ok
}

// showEffective makes the help of cmd show the effective values as defaults,
// and where they come from.
func showEffective(env *environment, cmd *cobra.Command) {
	sources, err := settle(env, cmd)
	if err != nil {
		env.warnf("%v", err)
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if s, ok := sources[f.Name]; ok {
			f.DefValue = text.Line(f.Value.String(), 0)
			f.Usage += " [from " + text.Show(s) + "]"
		}
	})
}
