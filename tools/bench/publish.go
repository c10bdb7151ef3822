package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"facerec/internal/loopback"
	"facerec/tools/bench/internal/benchset"
)

// uploadScript is what people write today. $1 is the image, $2 where to work, $3 the
// release, $4 the repository as OWNER/NAME. A draft, its assets, all of them back
// from the page, the signature, the digests, and it is published.
const uploadScript = `set -eu
api() { curl --silent --show-error --fail --location -H "Authorization: token $RELEASER_TOKEN" "$@"; }
at="$FORGE/api/v1/repos/$4/releases"
id=$(api -H "Content-Type: application/json" -d '{"tag_name":"v1.0.0","name":"1.0.0","body":"Notes.","draft":true}' "$at" | sed 's/^{"id":\([0-9]*\),.*/\1/')
mkdir -p "$2/back"
for file in "$3"/*; do
  name=${file##*/}
  url=$(api -F "attachment=@$file" "$at/$id/assets?name=$name" | sed 's/.*"browser_download_url":"\([^"]*\)".*/\1/')
  api -o "$2/back/$name" "$url"
done
` + checkScript + `
api -o /dev/null -X PATCH -H "Content-Type: application/json" -d '{"draft":false}' "$at/$id"
`

// checkScript checks what is in $2/back.
const checkScript = `"$COSIGN" verify-blob --bundle "$2/back/checksums.txt.sigstore.json" --trusted-root "$ROOT" --certificate-identity "$SIGNER" --certificate-oidc-issuer "$ISSUER" "$2/back/checksums.txt"
(cd "$2/back"; sha256sum --quiet --check --strict checksums.txt)
`

// chainUploadScript also makes the tarballs again, from what came back.
const chainUploadScript = uploadScript + `set -- "$1" "$2" "$2/back"
` + benchset.VerifyScript

// downloadScript gets a release by its name. $2 is where to work, $3 its page.
const downloadScript = `set -eu
get() { curl --silent --show-error --fail --location -o "$2/back/$1" "$3/releases/download/v1.0.0/$1"; }
mkdir -p "$2/back"
get checksums.txt "$2" "$3"
get checksums.txt.sigstore.json "$2" "$3"
while read -r _ name; do get "$name" "$2" "$3"; done <"$2/back/checksums.txt"
` + checkScript

func benchPublish(ctx context.Context, flags *flag.FlagSet, args []string) error {
	s := benchset.Stage{Lineages: 2}
	flags.IntVar(&s.Runs, "n", 3, "rounds")
	flags.IntVar(&s.Weights, "weights", 8, "MB in each of the six tarballs, before compression")
	flags.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary directory)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	defer s.Close()
	signed, err := newSignedRelease(ctx, &s, "assets")
	if err != nil {
		return err
	}
	defer signed.sigstore.Close()
	gitea, err := loopback.NewGiteaBehind(ctx, s.Front)
	if err != nil {
		return err
	}
	defer gitea.Close()
	benchset.Machine()
	b := &forgeBench{gitea: gitea, signedRelease: *signed}
	if err := os.WriteFile(filepath.Join(b.Project.Dir, "CHANGELOG.md"), []byte("## 1.0.0\nNotes.\n"), 0o644); err != nil {
		return err
	}
	if err := b.release(); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	benchset.ForgeHead(w)
	if err := b.publish(ctx, w); err != nil {
		return err
	}
	if err := b.fetch(w); err != nil {
		return err
	}
	return w.Flush()
}

// forgeBench is a signed release and a forge to publish it on.
type forgeBench struct {
	signedRelease
	gitea *loopback.Gitea
	page  string // that has the release in the end
}

// repository makes a repository with the release's tag, which is not measured.
func (b *forgeBench) repository(ctx context.Context, name string) (page string, err error) {
	if page, _, err = b.gitea.Repository(ctx, name); err != nil {
		return "", err
	}
	return page, b.gitea.Tag(ctx, name, "v1.0.0", "main")
}

func (b *forgeBench) script(script, work string, extra ...string) benchset.Command {
	c := b.Shell(script, work, extra...)
	c.Env = []string{
		"COSIGN=" + b.cosign, "ROOT=" + b.sigstore.TrustedRoot, "SIGNER=" + signer, "ISSUER=" + b.sigstore.URL(signer),
		"FORGE=" + b.gitea.URL, "RELEASER_TOKEN=" + b.gitea.Token,
	}
	return c
}

func (b *forgeBench) publish(ctx context.Context, w *tabwriter.Writer) error {
	work := filepath.Join(b.Stage.Dir, "work")
	got, err := b.Rounds(work, func(round int) ([]benchset.Command, error) {
		var pages, names [4]string
		for i := range pages {
			names[i] = fmt.Sprintf("r%d-%d", round, i)
			var err error
			if pages[i], err = b.repository(ctx, names[i]); err != nil {
				return nil, err
			}
			names[i] = b.gitea.User + "/" + names[i]
		}
		b.page = pages[2]
		exact := b.releaser("publish", b.dist, "--page", pages[2])
		fast := b.releaser("publish", b.dist, "--fast", "--page", pages[3])
		exact.Env = []string{"RELEASER_TOKEN=" + b.gitea.Token}
		fast.Env = exact.Env
		return []benchset.Command{
			b.script(uploadScript, filepath.Join(work, "upload"), b.dist, names[0]),
			b.script(chainUploadScript, filepath.Join(work, "chain"), b.dist, names[1]),
			exact, fast,
		}, nil
	})
	if err != nil {
		return err
	}
	benchset.ForgeRows(w, "publish, tarballs checked against their images", got[1], got[2])
	benchset.ForgeRows(w, "publish --fast, the script checks digests only", got[0], got[3])
	return nil
}

func (b *forgeBench) fetch(w *tabwriter.Writer) error {
	work := filepath.Join(b.Stage.Dir, "work")
	got, err := b.InTurn(work,
		b.script(downloadScript, filepath.Join(work, "theirs"), b.page),
		b.releaser("fetch", "--all", b.page+"@1.0.0", filepath.Join(work, "ours")))
	if err != nil {
		return err
	}
	for _, cell := range b.Cells {
		var tag, platform, prefix, asset string
		if _, err := fmt.Sscan(cell, &tag, &platform, &prefix, &asset); err != nil {
			return err
		}
		if err := benchset.Same(filepath.Join(work, "ours", asset), filepath.Join(work, "theirs", "back", asset)); err != nil {
			return err
		}
	}
	benchset.ForgeRows(w, "fetch", got[0], got[1])
	return nil
}
