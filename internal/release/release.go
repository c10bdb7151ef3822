package release

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"facerec/internal/text"
)

// Cells are all lineages times all platforms, in the order of config.json,
// lineage first.
func (c *Config) Cells() []Cell {
	var cells []Cell
	for _, l := range c.Lineages {
		for _, p := range c.Platforms {
			cells = append(cells, Cell{l, p})
		}
	}
	return cells
}

// Select picks cells by pattern: "all", a lineage ("dlib19"), a platform
// ("linux/arm64"), or both ("dlib19/linux/arm64"); several are joined by
// commas. The order is that of Cells, whatever the order of the patterns.
func (c *Config) Select(patterns string) ([]Cell, error) { return SelectCells(c.Cells(), patterns) }

// SelectCells is [Config.Select] for any list of cells.
func SelectCells(all []Cell, patterns string) ([]Cell, error) {
	if patterns == "" || patterns == "all" {
		return all, nil
	}
	chosen := make([]bool, len(all))
	for _, p := range strings.Split(patterns, ",") {
		p = strings.TrimSpace(p)
		found := false
		for i, cell := range all {
			if p == "all" || p == cell.String() || p == cell.Lineage.Name || p == cell.Platform.String() {
				chosen[i], found = true, true
			}
		}
		if !found {
			names := make([]string, len(all))
			for i, cell := range all {
				names[i] = cell.String()
			}
			return nil, text.WithHint(fmt.Errorf("no cell matches %s", text.Quote(p)),
				"expected all, a lineage, a platform, or one of %s", strings.Join(names, ", "))
		}
	}
	var out []Cell
	for i, cell := range all {
		if chosen[i] {
			out = append(out, cell)
		}
	}
	return out, nil
}

// RollingTags are the image tags of a lineage that move to this version when it
// is published. A version 0.x has none that name only the major version, as its
// minor versions need not be compatible; a pre-release has none at all, nor has a
// version without an order.
func (c *Config) RollingTags(v Version, l Lineage) []string {
	var out []string
	for _, pattern := range c.Rolling {
		if !v.Semantic() || v.IsPrerelease() || v.Major() == "0" && strings.Contains(pattern, "{major}") && !strings.Contains(pattern, "{minor}") {
			continue
		}
		if tag := expand(pattern, v, Cell{Lineage: l}); !slices.Contains(out, tag) {
			out = append(out, tag)
		}
	}
	return out
}

// Prefix is the top directory inside a cell's tarball.
func (c *Config) Prefix(v Version, cell Cell) string { return expand(c.Extract.Prefix, v, cell) }

// Source is the path of an item for a cell, relative to the directory of
// config.json.
func (it Item) Source(v Version, cell Cell) string { return expand(it.Src, v, cell) }

// ExpectedIdentity is who must have signed the release of this version.
func (c *Config) ExpectedIdentity(v Version) Identity {
	return Identity{Issuer: c.Identity.Issuer, SAN: expand(c.Identity.SAN, v, Cell{})}
}

// Labels are the image labels of a cell: the standard ones of the OCI image
// specification that the configuration implies, then its own, which win.
func (c *Config) Labels(v Version, cell Cell) []Label {
	set := map[string]string{
		"org.opencontainers.image.title":   c.ProjectName,
		"org.opencontainers.image.version": string(v) + cell.Lineage.Suffix,
	}
	if len(c.Maintainers) > 0 {
		set["org.opencontainers.image.authors"] = strings.Join(c.Maintainers, ", ")
	}
	for _, l := range c.Image.Labels {
		set[l.Key] = expand(l.Value, v, cell)
	}
	out := make([]Label, 0, len(set))
	for k, v := range set {
		out = append(out, Label{k, v})
	}
	sortLabels(out)
	return out
}

func sortLabels(l []Label) {
	sort.Slice(l, func(i, j int) bool { return l[i].Key < l[j].Key })
}
