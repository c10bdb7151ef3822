package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/trust"
	"facerec/internal/verify"
)

// trustFolder is where 'trust update' keeps what it fetched, below the user's
// configuration: it says what is trusted, and is more than a cache.
func trustFolder() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no directory to keep a trusted root in: %w: set HOME or XDG_CONFIG_HOME", err)
	}
	return filepath.Join(dir, "releaser", "trust"), nil
}

// keptFile is the one file that the kept root is in.
const keptFile = "kept.json"

// readKept reads the kept root. None is kept where the file is missing, or
// where there is no place for it.
func readKept() (k trust.Kept, path string, ok bool, err error) {
	dir, err := trustFolder()
	if err != nil {
		return k, "", false, nil //nolint:nilerr // a user without a home has kept nothing
	}
	path = filepath.Join(dir, keptFile)
	raw, err := atomicfile.ReadFile(path, maxNamedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return k, path, false, nil
	}
	if err == nil {
		k, err = trust.ParseKept(raw)
	}
	if err != nil {
		return k, path, false, &verify.Error{Class: verify.Untrusted, Check: verify.CheckTrustRoot,
			Err: fmt.Errorf("%s: %w: fetch it again with 'releaser trust update', or remove it", path, err)}
	}
	return k, path, true, nil
}

// trustedRoot is the root to check by, and says which it is: the file that a flag
// names; else the one that was fetched and kept; else the one that the program
// carries. A root that is too old comes with the error that says so.
func (a *app) trustedRoot(path string, now time.Time) (*verify.TrustedRoot, error) {
	root, err := chooseRoot(path, now)
	if root == nil {
		return nil, err
	}
	a.note("trust: %s", root.Origin().Text())
	if warning := root.Origin().Warning(); err == nil && warning != "" {
		a.warn("%s", warning)
	}
	return root, err
}

// trustedRootOnce is trustedRoot at the time of this run, which reads it once.
func (a *app) trustedRootOnce(path string) (*verify.TrustedRoot, error) {
	a.rootsMu.Lock()
	defer a.rootsMu.Unlock()
	if root := a.roots[path]; root != nil {
		return root, nil
	}
	root, err := a.trustedRoot(path, time.Now())
	if err == nil {
		if a.roots == nil {
			a.roots = map[string]*verify.TrustedRoot{}
		}
		a.roots[path] = root
	}
	return root, err
}

func chooseRoot(path string, now time.Time) (*verify.TrustedRoot, error) {
	if path != "" {
		raw, err := readNamed("trusted root", path)
		if err != nil {
			return nil, err
		}
		root, err := verify.ParseTrustedRoot(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return root.From(verify.TrustOrigin{From: verify.FromFile, Source: path}, now)
	}
	carried, origin, err := verify.PublicGood()
	if err != nil {
		return nil, err
	}
	kept, place, ok, err := readKept()
	if err != nil {
		return nil, err
	}
	// A program that is newer than what was fetched for an older one wins.
	if !ok || kept.PublicGood() && kept.TUFRoot() < origin.TUFRoot {
		return carried.From(origin, now)
	}
	root, err := verify.ParseTrustedRoot(kept.Root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	return root.From(keptOrigin(kept), now)
}

func keptOrigin(k trust.Kept) verify.TrustOrigin {
	return verify.TrustOrigin{From: verify.FromUpdate, Source: k.Mirror, Fetched: k.Fetched, TUFRoot: k.TUFRoot(), Until: k.Until()}
}
