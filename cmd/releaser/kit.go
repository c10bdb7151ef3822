package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/kit"
	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// kitAnswer is what create and add print with --json.
type kitAnswer struct {
	Schema   string         `json:"schema"`
	Kit      string         `json:"kit"`
	Size     int64          `json:"size"`
	SHA256   release.Digest `json:"sha256"`
	Releases []kit.Release  `json:"releases"`
	Files    int            `json:"files"`
}

func (a *app) kitVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kit",
		Short: "Put releases into one file that can be verified offline",
		Long: `A kit is one file with all that an auditor without a network needs: the files of
releases with their signatures, their images as an OCI layout with everything that
refers to them, rebuilders' attestations, the trusted root, and the report of the
verification. 'releaser verify KIT' needs nothing else.

A kit is an uncompressed tar archive that 'tar -xf' unpacks, and an OCI archive
(oci-archive:KIT). The same releases give the same bytes. kit.json in it lists every
file. How far a kit can be trusted is for verify to say: it takes the signer and the
trusted root from you, never from the kit.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.kitCreateVerb(), a.kitAddVerb(), a.kitExtractVerb(), a.kitLsVerb())
	return cmd
}

// outFlags say which file is written.
type outFlags struct {
	path  string
	force bool
}

func (f *outFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.path, "output", "o", "", "write the kit to `FILE` (required)")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace FILE if it exists")
}

// check refuses a file that may not be written.
func (f outFlags) check() error {
	if f.path == "" {
		return usage("-o FILE is required")
	}
	if _, err := os.Lstat(f.path); err == nil && !f.force {
		return text.WithHint(&atomicfile.WriteError{Path: f.path, Err: fs.ErrExist}, "choose another name, or pass --force")
	}
	return nil
}

// write makes the file whole or not at all, and says what is in it.
func (a *app) writeKit(f outFlags, make func(w io.Writer) (kit.Manifest, error)) error {
	out, err := atomicfile.Create(f.path, 0o644)
	if err != nil {
		return err
	}
	defer out.Discard()
	sum := release.NewHasher()
	m, err := make(io.MultiWriter(out, sum))
	if err != nil {
		return err
	}
	commit := out.CommitNew
	if f.force {
		commit = out.Commit
	}
	if err := commit(); err != nil {
		return err
	}
	answer := kitAnswer{"releaser.kit-written/v1", f.path, sum.Size(), sum.Digest(), m.Releases, len(m.Files)}
	if a.json {
		return a.answer(answer)
	}
	for _, r := range m.Releases {
		a.say("%s %s  %s", text.Show(r.Project), r.Version, text.Count(len(r.Images), "image"))
	}
	a.say("%s  %s, %d bytes, %s", text.Show(f.path), text.Count(answer.Files, "file"), answer.Size, answer.SHA256)
	return nil
}

func (a *app) kitAddVerb() *cobra.Command {
	var out outFlags
	cmd := &cobra.Command{
		Use:   "add KIT BUNDLE",
		Short: "Add a rebuilder's attestation to a copy of a kit",
		Long: `Write a copy of KIT that also has BUNDLE: a rebuilder's attestation
(NAME.rebuild.sigstore.json) or rebuilderd's links (NAME.rebuild.link). The copy has the
same bytes as the kit that 'kit create' makes with BUNDLE in the release's directory.
All of KIT is checked, and it is never changed. BUNDLE must be about a file or image of a
release in the kit; whoever verifies the kit decides whether it counts.`,
		Example: `  releaser kit add tool.kit ann.rebuild.sigstore.json -o tool-2.kit`,
		Args:    cobra.ExactArgs(2),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.kitAdd(cmd.Context(), args[0], args[1], out) },
	}
	out.add(cmd)
	return cmd
}

func (a *app) kitAdd(ctx context.Context, path, bundle string, out outFlags) error {
	if err := out.check(); err != nil {
		return err
	}
	if !isRebuild(filepath.Base(bundle)) {
		return usage("%s: expected a rebuilder's attestation, called NAME.rebuild.sigstore.json or NAME.rebuild.link", text.Show(bundle))
	}
	f, k, err := openedKitFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, in := range []string{path, bundle} {
		if same, err := sameFile(in, out.path); err != nil || same {
			return cmp.Or(err, text.WithHint(usage("%s is read, and not replaced", in), "write the new kit to another file"))
		}
	}
	raw, err := atomicfile.ReadFile(bundle, verify.MaxBundle)
	if err != nil {
		return err
	}
	return a.writeKit(out, func(w io.Writer) (kit.Manifest, error) {
		return kit.Add(ctx, k, path, filepath.Base(bundle), raw, w)
	})
}

// sameFile reports whether two names are one file. The second need not exist.
func sameFile(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(x, y), err
}

// openedKitFile is readKit for verbs that only work on a whole kit.
func openedKitFile(path string) (*os.File, *kit.Kit, error) {
	f, k, err := readKit(path)
	var damaged *kit.DamagedError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = usage("%s not found", path)
	case errors.As(err, &damaged):
		err = text.WithHint(fmt.Errorf("%s: %w", path, err), "verify it with 'releaser verify', or get it again")
	}
	return f, k, err
}

func (a *app) kitExtractVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "extract KIT DIR",
		Short: "Check a kit and unpack it into a new directory",
		Long: `Check every byte of KIT against its own list, and unpack it into DIR, which must be
empty or not exist. DIR is then an OCI layout, with the releases in DIR/releases.
Signatures are not verified: 'releaser verify KIT' does that.`,
		Example: `  releaser kit extract tool.kit unpacked`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, k, err := openedKitFile(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if entries, err := os.ReadDir(args[1]); err == nil && len(entries) > 0 {
				return &atomicfile.WriteError{Path: args[1], Err: fs.ErrExist}
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return atomicfile.ReplaceDir(args[1], func(tmp string) error { return kit.Extract(cmd.Context(), k, args[0], tmp) })
		},
	}
}

func (a *app) kitLsVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "ls KIT",
		Short: "List what is in a kit: role, size, SHA-256 and name of each file",
		Long: `List the files of KIT from its kit.json; with --json, print kit.json itself. The archive
around the files is checked, their contents are not: 'releaser verify KIT' does that.`,
		Example: `  releaser kit ls tool.kit`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, k, err := openedKitFile(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if a.json {
				return a.answer(k.Manifest)
			}
			for _, file := range k.Manifest.Files {
				a.say("%-12s %12d  %s  %s", file.Role, file.Size, file.SHA256.Hex(), text.Show(file.Name))
			}
			return nil
		},
	}
}
