package oci

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"facerec/internal/release"
)

// configuration makes the checks that need an image's configuration alone.
func (o CheckOptions) configuration(img *Image) []CheckResult {
	out := []CheckResult{o.user(img)}
	if o.Config == nil {
		return out
	}
	want := (&Build{Config: o.Config, Version: o.Version}).runConfig(release.Cell{})
	epoch := time.Unix(o.Config.Epoch, 0).UTC()
	var created []Finding
	if got := img.Config.Created.UTC(); !got.Equal(epoch) {
		created = append(created, Finding{"config", fmt.Sprintf("expected %s (epoch of config.json), got %s", epoch.Format(time.RFC3339), got.Format(time.RFC3339Nano))})
	}
	out = append(out, o.result(checkCreated, created, epoch.Format(time.RFC3339)))

	var differs []Finding
	differ := func(field, expected, got string) {
		if expected != got {
			differs = append(differs, Finding{field, fmt.Sprintf("expected %s, got %s", expected, got)})
		}
	}
	have := img.Config.Config
	differ("user", strconv.Quote(want.User), strconv.Quote(have.User))
	differ("workdir", strconv.Quote(want.WorkingDir), strconv.Quote(have.WorkingDir))
	differ("entrypoint", fmt.Sprintf("%q", want.Entrypoint), fmt.Sprintf("%q", have.Entrypoint))
	differ("cmd", fmt.Sprintf("%q", want.Cmd), fmt.Sprintf("%q", have.Cmd))
	for _, e := range want.Env { // an engine's own builder adds PATH
		if !slices.Contains(have.Env, e) {
			differs = append(differs, Finding{"env", fmt.Sprintf("expected %q, got %q", e, have.Env)})
		}
	}
	out = append(out, o.result(checkConfig, differs, "user, workdir, entrypoint, cmd and env as configured"))
	return append(out, o.labels(img))
}

// labels compares those that the configuration asks for. Others, such as a
// builder's own, may stand beside them.
func (o CheckOptions) labels(img *Image) CheckResult {
	if o.Lineage == nil {
		return skipped(checkLabels, o.Unknown)
	}
	var platform release.Platform
	for _, p := range o.Config.Platforms {
		if p.String() == img.Platform {
			platform = p
		}
	}
	if platform == (release.Platform{}) {
		return skipped(checkLabels, "platform "+img.Platform+" is not in config.json")
	}
	var out []Finding
	want := o.Config.Labels(o.Version, release.Cell{Lineage: *o.Lineage, Platform: platform})
	for _, l := range want {
		got, there := img.Config.Config.Labels[l.Key]
		switch {
		case !there:
			out = append(out, Finding{l.Key, fmt.Sprintf("expected %q, got no such label", l.Value)})
		case got != l.Value:
			out = append(out, Finding{l.Key, fmt.Sprintf("expected %q, got %q", l.Value, got)})
		}
	}
	return o.result(checkLabels, out, fmt.Sprintf("%d as configured for %s%s", len(want), o.Version, o.Lineage.Suffix))
}

// user wants a number: a name means nothing in an image without /etc/passwd,
// and an orchestrator that is told to refuse root cannot judge it.
func (o CheckOptions) user(img *Image) CheckResult {
	user := img.Config.Config.User
	name, group, _ := strings.Cut(user, ":")
	var out []Finding
	number := func(what, s string) (uint64, bool) {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			out = append(out, Finding{"user", fmt.Sprintf("expected a numeric %s, got %q", what, user)})
		}
		return n, err == nil
	}
	if user == "" {
		out = append(out, Finding{"user", "none is set: the image runs as root"})
	} else {
		if uid, ok := number("user", name); ok && uid == 0 {
			out = append(out, Finding{"user", fmt.Sprintf("%q is root", user)})
		}
		if group != "" || strings.Contains(user, ":") {
			number("group", group)
		}
	}
	return o.result(checkUser, out, user)
}
