package publish

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"facerec/internal/release"
	"facerec/internal/text"
)

// Changelog is the file that a version's notes come from.
const Changelog = "CHANGELOG.md"

var (
	heading    = text.Pattern(`^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$`)
	definition = text.Pattern(`^ {0,3}\[[^\]]+\]:[ \t]*\S`)
	fence      = text.Pattern("^ {0,3}(```+|~~~+)")
)

// Section returns what a changelog says about a version, without the heading:
// from the heading whose first word is the version, bare or in brackets, with or
// without a leading v, to the next heading of the same or a higher level. Link
// definitions that the section uses come along from wherever they are. A version
// that is missing, has an empty section, or two of them, is an error.
func Section(changelog string, v release.Version) (string, error) {
	if !utf8.ValidString(changelog) {
		return "", errors.New("not valid UTF-8")
	}
	lines := strings.Split(strings.ReplaceAll(changelog, "\r\n", "\n"), "\n")
	var section, definitions []string
	level, found, open := 0, 0, ""
	for _, line := range lines {
		if m := fence().FindStringSubmatch(line); m != nil && (open == "" || strings.HasPrefix(m[1], open)) {
			if open == "" {
				open = m[1][:3]
			} else {
				open = ""
			}
		} else if open == "" {
			if m := heading().FindStringSubmatch(line); m != nil {
				if names(m[2], v) {
					level = len(m[1])
					found++
					continue
				}
				if level > 0 && len(m[1]) <= level {
					level = 0
				}
			}
			if definition().MatchString(line) {
				definitions = append(definitions, strings.TrimSpace(line))
				continue
			}
		}
		if level > 0 {
			section = append(section, line)
		}
	}
	body := strings.TrimSpace(strings.Join(section, "\n"))
	switch {
	case found == 0:
		return "", text.WithHint(fmt.Errorf("no section for version %s", v), "add a heading '## %s' and what changed below it", v)
	case found > 1:
		return "", fmt.Errorf("%d sections for version %s", found, v)
	case body == "":
		return "", text.WithHint(fmt.Errorf("the section for version %s is empty", v), "write what changed below the heading")
	}
	for _, d := range definitions {
		if label, _, _ := strings.Cut(d, "]:"); strings.Contains(body, label+"]") {
			body += "\n\n" + d
		}
	}
	return body, nil
}

// names reports whether a heading is that of a version.
func names(title string, v release.Version) bool {
	word, _, _ := strings.Cut(title, " ")
	word, _, _ = strings.Cut(word, "](") // a link
	word = strings.TrimRight(strings.TrimPrefix(word, "["), "]:,")
	return strings.TrimPrefix(word, "v") == string(v)
}

// Notes is what the page says about a release: the section, a table of the
// assets with their digests, and the command that verifies them.
func Notes(section string, files []File, command string) string {
	var b strings.Builder
	b.WriteString(section)
	b.WriteString("\n\n## Assets\n\n| Asset | SHA-256 |\n| --- | --- |\n")
	for _, f := range files {
		fmt.Fprintf(&b, "| %s | `%s` |\n", cell(f.Name), f.Digest.Hex())
	}
	fmt.Fprintf(&b, "\nDownload, verify and only then keep them:\n\n```sh\n%s\n```\n", command)
	return b.String()
}

// cell writes a name into a Markdown table.
func cell(name string) string {
	return "`" + strings.NewReplacer("|", `\|`, "`", "'").Replace(text.Show(name)) + "`"
}
