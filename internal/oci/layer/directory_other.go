//go:build !unix

package layer

import "io/fs"

// statusOf decides modes where there are none: 0755 for directories and 0644
// for files. Whoever needs a program to be executable sets mode in config.json.
// Every hard link is a file of its own.
func statusOf(fi fs.FileInfo) status {
	if fi.IsDir() {
		return status{mode: 0o755}
	}
	return status{mode: 0o644}
}
