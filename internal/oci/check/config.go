package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"facerec/internal/release"
)

func (c *inspection) created() verdict {
	epoch := time.Unix(c.Config.Epoch, 0).UTC()
	v := verdict{detail: epoch.Format(time.RFC3339)}
	if got := c.image.Config.Created.UTC(); !got.Equal(epoch) {
		v.findings = append(v.findings, Finding{"config", fmt.Sprintf("expected %s (epoch of config.json), got %s", epoch.Format(time.RFC3339), got.Format(time.RFC3339Nano))})
	}
	return v
}

// runConfig compares what a container is started with.
func (c *inspection) runConfig() verdict {
	v := verdict{detail: "user, workdir, entrypoint, cmd and env as configured"}
	differ := func(field, expected, got string) {
		if expected != got {
			v.findings = append(v.findings, Finding{field, fmt.Sprintf("expected %s, got %s", expected, got)})
		}
	}
	want, have := c.Config.Image, c.image.Config.Config
	differ("user", strconv.Quote(want.User), strconv.Quote(have.User))
	differ("workdir", strconv.Quote(want.Workdir), strconv.Quote(have.WorkingDir))
	differ("entrypoint", fmt.Sprintf("%q", want.Entrypoint), fmt.Sprintf("%q", have.Entrypoint))
	differ("cmd", fmt.Sprintf("%q", want.Cmd), fmt.Sprintf("%q", have.Cmd))
	for _, e := range want.Env { // an engine's own builder adds PATH
		if !slices.Contains(have.Env, e) {
			v.findings = append(v.findings, Finding{"env", fmt.Sprintf("expected %q, got %q", e, have.Env)})
		}
	}
	return v
}

// labels compares those that the configuration asks for. Others, such as a
// builder's own, may be attached to them.
func (c *inspection) labels() verdict {
	if c.Lineage == nil {
		return verdict{skip: c.Unknown}
	}
	var platform release.Platform
	for _, p := range c.Config.Platforms {
		if p.String() == c.image.Platform {
			platform = p
		}
	}
	if platform == (release.Platform{}) {
		return verdict{skip: "platform " + c.image.Platform + " is not in config.json"}
	}
	var out []Finding
	want := c.Config.Labels(c.Version, release.Cell{Lineage: *c.Lineage, Platform: platform})
	for _, l := range want {
		got, there := c.image.Config.Config.Labels[l.Key]
		switch {
		case !there:
			out = append(out, Finding{l.Key, fmt.Sprintf("expected %q, got none", l.Value)})
		case got != l.Value:
			out = append(out, Finding{l.Key, fmt.Sprintf("expected %q, got %q", l.Value, got)})
		}
	}
	return verdict{detail: fmt.Sprintf("%d as configured for %s%s", len(want), c.Version, c.Lineage.Suffix), findings: out}
}

// user wants a number: a name means nothing in an image without /etc/passwd,
// and an orchestrator that is told to refuse root cannot judge it.
func (c *inspection) user() verdict {
	user := c.image.Config.Config.User
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
	return verdict{detail: user, findings: out}
}
