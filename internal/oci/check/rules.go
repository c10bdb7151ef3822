package check

import (
	"fmt"
	"slices"
	"strings"

	"facerec/internal/executable"
	"facerec/internal/text"
)

// need is what must have been read before a rule can run.
type need int

const (
	needsIndex    need = iota // runs once for the image, not for each platform
	needsEntry                // the index's entry of the platform
	needsManifest             // the manifest and the configuration
	needsLayers               // every layer
)

// rule is all that the program knows of one rule.
type rule struct {
	name    string // part of the answer's schema
	doc     string // what holds where the rule holds, for the help text
	needs   need
	promise bool // compares with config.json: left out when there is none
	run     func(c *inspection) verdict
	fix     string // what to change where the rule fails
	hygiene bool   // good to have, but no fault: a note, unless Options.Strict names the rule
}

// verdict is what a rule found. No finding and no reason to skip is a pass.
type verdict struct {
	detail   string // of a pass
	findings []Finding
	skip     string // why it could not be checked
	fix      string // instead of the rule's
}

// rules are in the order in which they are reported. To add a rule, add a row.
var rules []rule

func init() { // an assignment would refer to itself, through ParseAllowance
	rules = []rule{
		{"platforms", "every platform of config.json is there, once, and no other", needsIndex, false, func(c *inspection) verdict {
			return verdict{detail: strings.Join(platformNames(c.index), ", "), findings: c.platforms(c.index)}
		}, `build every platform of config.json, or correct "platforms"`, false},
		{"manifest", "manifest and configuration match their digests", needsEntry, false, func(c *inspection) verdict {
			if c.manifestErr != nil {
				return unreadable(c.index, "manifest", c.manifestErr)
			}
			return verdict{detail: c.image.Digest.String()}
		}, `push the image again`, false},
		{"layers", "every layer matches its digest, size and diff ID, and can be unpacked", needsManifest, false, func(c *inspection) verdict {
			if c.layersErr != nil {
				return unreadable(c.index, c.brokenLayer, c.layersErr)
			}
			return verdict{detail: fmt.Sprintf("%d, each with its digest, size and diff ID", len(c.image.Layers))}
		}, `push the image again`, false},
		{"created", "the image's time is the epoch of config.json", needsManifest, true, (*inspection).created, `set the time with SOURCE_DATE_EPOCH, or correct "epoch" in config.json`, false},
		{"config", "user, workdir, entrypoint, cmd and env match config.json", needsManifest, true, (*inspection).runConfig, `correct the build, or "image" in config.json`, false},
		{"labels", "labels match config.json for this version and lineage", needsManifest, true, (*inspection).labels, `correct the build, or "image.labels" in config.json`, false},
		{"contents", "what config.json puts into the image is there, with its mode", needsLayers, true, (*inspection).contents, `correct the build, or "artifacts" and "extern_data" in config.json`, false},
		{"user", "the user is a number, and not root", needsManifest, false, (*inspection).user, `set a numeric user that is not 0 ("image.user" in config.json)`, false},
		{"entrypoint", "the entrypoint is in the image, and the user may execute it", needsLayers, false, (*inspection).entrypoint, `correct the entrypoint, or the mode and owner of its file`, false},
		{setID, "no file is set-user-id or set-group-id", needsLayers, false, found(setID, func(c *inspection) string { return c.amongFiles() }), `clear the bits with chmod u-s,g-s, or waive the rule with --allow`, false},
		{writable, "nothing is world-writable except sticky directories", needsLayers, false, found(writable, func(c *inspection) string { return c.amongFiles() }), `clear the bit with chmod o-w`, false},
		{owners, "owners are numbers, not names that mean another user elsewhere", needsLayers, false, found(owners, func(*inspection) string { return "numbers only" }), `write owners as numbers only`, false},
		{devices, "there are no devices and no named pipes", needsLayers, false, found(devices, func(*inspection) string { return "none" }), `remove them: engines make devices themselves`, false},
		{attributes, "no file has capabilities or other attributes that a tarball loses", needsLayers, false, found(attributes, func(c *inspection) string { return c.amongFiles() }), `set the attribute when installing: tarballs do not carry it`, false},
		{machine, "every program is for the platform", needsLayers, false, func(c *inspection) verdict {
			if c.programs > 0 && !executable.KnownArch(c.image.Config.Architecture) {
				return verdict{skip: "cannot tell what programs for " + c.image.Platform + " look like"}
			}
			return verdict{detail: text.Count(c.programs, "program") + " for " + c.image.Platform, findings: c.findings[machine]}
		}, `build for the platform, or correct "platforms" in config.json`, false},
		{static, "no program needs an interpreter or libraries", needsLayers, false, found(static, func(c *inspection) string { return text.Count(c.programs, "program") }), `link statically (CGO_ENABLED=0, or -extldflags -static)`, false},
		{buildID, "no program carries a build ID", needsLayers, false, found(buildID, func(c *inspection) string { return "none in " + text.Count(c.programs, "program") }), `link with -ldflags=-buildid= (Go) or -Wl,--build-id=none (C)`, true},
		{buildPaths, `no program names a directory of the machine that built it:
/root/…, /home/…, /tmp/…, a Go module cache, --build-path`, needsLayers, false, found(buildPaths, func(c *inspection) string { return "none in " + text.Count(c.programs, "program") }), `build with -trimpath (Go) or -ffile-prefix-map (C)`, false},
		{secrets, `no layer has private keys, access keys, repositories or
credential files, not even one that a later layer deletes`, needsLayers, false, found(secrets, func(c *inspection) string { return "none in " + text.Count(len(c.layers), "layer") }), `remove the file in the layer that adds it, and revoke the secret`, false},
		{size, "the image is within --max-image-bytes and --max-file-bytes", needsLayers, false, found(size, func(c *inspection) string {
			return fmt.Sprintf("%d bytes stored, %d unpacked", c.stored, c.bytes)
		}), `remove what is not needed, or raise the limit`, false},
	}
}

// The rules whose findings come out of one pass over all files.
const (
	setID      = "set-id"
	writable   = "world-writable"
	owners     = "owners"
	devices    = "devices"
	attributes = "attributes"
	machine    = "machine"
	static     = "static"
	buildID    = "build-id"
	buildPaths = "build-paths"
	secrets    = "secrets"
	size       = "size"
)

// found is a rule whose findings the pass over the files has collected.
func found(rule string, detail func(*inspection) string) func(*inspection) verdict {
	return func(c *inspection) verdict { return verdict{detail: detail(c), findings: c.findings[rule]} }
}

// Names returns the names of all rules in the order in which they are reported.
func Names() []string {
	out := make([]string, len(rules))
	for i, r := range rules {
		out[i] = r.name
	}
	return out
}

// Help returns one line per rule: its name and what it asks for.
func Help() string {
	width := 0
	for _, r := range rules {
		width = max(width, len(r.name))
	}
	var b strings.Builder
	for _, r := range rules {
		for i, line := range strings.Split(r.doc, "\n") {
			name := r.name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(&b, "  %-*s  %s\n", width, name, line)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// results runs the rules with the given needs. A rule that needs what could not
// be read is skipped.
func (c *inspection) results(needs ...need) []Result {
	var out []Result
	for _, r := range rules {
		if !slices.Contains(needs, r.needs) || r.promise && c.Config == nil {
			continue
		}
		var v verdict
		switch {
		case r.needs >= needsManifest && c.manifestErr != nil:
			v.skip = "the manifest could not be read"
		case r.needs >= needsLayers && c.layersErr != nil:
			v.skip = "the layers could not be read"
		default:
			v = r.run(c)
		}
		out = append(out, c.result(r, v))
	}
	return out
}
