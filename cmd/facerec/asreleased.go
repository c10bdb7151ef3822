package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"strings"
)

// releasedFile is what release.json says of one file of the tarball.
type releasedFile struct {
	Name, SHA256 string
}

// releasedCell is one tarball's files.
type releasedCell struct {
	Asset string
	Files []releasedFile
}

// maxReleaseBytes is the largest release.json that is read.
const maxReleaseBytes = 64 << 20

// parseRelease takes out of release.json (schema releaser.release/v1) the
// tarballs for a platform such as linux/amd64. It reads what it needs and no
// more: the signature over the whole is releaser's business.
func parseRelease(data []byte, platform string) ([]releasedCell, error) {
	var doc struct {
		Schema string `json:"schema"`
		Cells  []struct {
			Platform string `json:"platform"`
			Asset    string `json:"asset"`
			Entries  []struct {
				Name   string `json:"name"`
				Type   string `json:"type"`
				SHA256 string `json:"sha256"`
			} `json:"entries"`
		} `json:"cells"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("not a release.json: %w", err)
	}
	if doc.Schema != "releaser.release/v1" {
		return nil, fmt.Errorf("schema is %q, expected releaser.release/v1", doc.Schema)
	}
	var out []releasedCell
	for _, c := range doc.Cells {
		if c.Platform != platform {
			continue
		}
		cell := releasedCell{Asset: c.Asset}
		for _, e := range c.Entries {
			if e.Type == "file" && fs.ValidPath(e.Name) {
				cell.Files = append(cell.Files, releasedFile{e.Name, e.SHA256})
			}
		}
		out = append(out, cell)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no tarball for %s in it", platform)
	}
	return out, nil
}

// platform is this program's, as release.json spells it; there is but one arm.
func platform() string {
	p := runtime.GOOS + "/" + runtime.GOARCH
	if runtime.GOARCH == "arm" {
		p += "/v7"
	}
	return p
}

// changed lists the files below fsys that are not as the cell says, in its order.
func (c releasedCell) changed(fsys fs.FS) []string {
	var out []string
	for _, f := range c.Files {
		switch got, err := hashOf(fsys, f.Name); {
		case errors.Is(err, fs.ErrNotExist):
			out = append(out, f.Name+" is missing")
		case err != nil:
			out = append(out, f.Name+" cannot be read: "+plain(err).Error())
		case got != f.SHA256:
			out = append(out, f.Name+" was changed")
		}
	}
	return out
}

// has reports whether the program itself is one of the cell's files.
func (c releasedCell) has(program, sum string) bool {
	for _, f := range c.Files {
		if path.Base(f.Name) == program && strings.EqualFold(f.SHA256, sum) {
			return true
		}
	}
	return false
}

func hashOf(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
