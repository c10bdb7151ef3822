package release

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"facerec/internal/text"
)

// Rebuilders is a file that names who may say that a release can be rebuilt, and
// how many of them must.
type Rebuilders struct {
	Require int // at least 1, at most len(List)
	List    []Rebuilder
}

// Rebuilder is an entry of that file: a name, and exactly one of the kinds of
// identity.
type Rebuilder struct {
	Name       string
	Keyless    *KeylessRebuilder
	Key        *KeyRebuilder
	Rebuilderd *RebuilderdRebuilder
}

// KeylessRebuilder is the identity in a certificate. Of each pair of fields, one
// is set.
type KeylessRebuilder struct {
	Issuer, IssuerRegexp string
	SAN, SANRegexp       string

	// UnsafeLooseRegexp allows patterns that leave host or owner open.
	UnsafeLooseRegexp bool
}

// KeyRebuilder is a managed key. One of PEM and File is set.
type KeyRebuilder struct {
	PEM  string // the public key
	File string // with the public key; relative to the file that names it

	// UnsafeNoTransparencyLog accepts signatures without log entry and timestamp.
	UnsafeNoTransparencyLog bool
}

// RebuilderdRebuilder is a server of rebuilderd, by the keys of its workers.
type RebuilderdRebuilder struct {
	Keys []string // Ed25519, 32 bytes in base64, as "rebuildctl status" names them
}

// maxRebuilders bounds the entries of the file, maxWorkers the keys of one.
const (
	maxRebuilders = 100
	maxWorkers    = 64
)

// ParseRebuilders reads the file. file only names it in problems. All problems are
// reported at once, as *[Problems].
//
// require, if not 0, replaces the number in the file. check reports whether an entry,
// whose form is good, can be used after those that were checked before it.
func ParseRebuilders(file string, data []byte, require int, check func(Rebuilder) error) (Rebuilders, error) {
	d := &decoder{data: data}
	var r Rebuilders
	root, ok := d.document()
	if !ok {
		return r, &Problems{File: file, List: d.sorted()}
	}
	list, number := root, root // where they stand
	names := map[string]bool{}
	present := d.object(root, "",
		field{"$schema", func(n node, p string) { d.text(n, p) }},
		field{"require", func(n node, p string) { r.Require, number = d.count(n, p), n }},
		field{"rebuilders", func(n node, p string) {
			list = n
			if !d.few(n, p, maxRebuilders) {
				return
			}
			d.list(n, p, func(n node, p string) { r.List = append(r.List, d.rebuilder(n, p, names, check)) })
		}})
	d.required(root, "", present, "rebuilders")
	if require != 0 {
		r.Require = require
	}
	if !present["require"] && require == 0 {
		r.Require = 1
	}
	if present["rebuilders"] && r.Require > len(r.List) && len(d.problems) == 0 {
		at, what := number, "require"
		if require != 0 || !present["require"] {
			at, what = list, "rebuilders"
		}
		d.complain(at.offset, what, "expected at least %s, got %d", text.Count(r.Require, "rebuilder"), len(r.List))
	}
	if len(d.problems) > 0 {
		return Rebuilders{}, &Problems{File: file, List: d.sorted()}
	}
	return r, nil
}

func (d *decoder) rebuilder(n node, p string, names map[string]bool, check func(Rebuilder) error) Rebuilder {
	var r Rebuilder
	before := len(d.problems)
	identity := n // where it stands
	kinds := []string{"keyless", "key", "rebuilderd"}
	present := d.object(n, p,
		field{"name", func(n node, p string) {
			r.Name = d.name(n, p)
			if names[r.Name] {
				d.complain(n.offset, p, "%q is the name of another rebuilder", r.Name)
			}
			names[r.Name] = true
		}},
		field{"keyless", func(n node, p string) { r.Keyless, identity = d.keylessRebuilder(n, p), n }},
		field{"key", func(n node, p string) { r.Key, identity = d.keyRebuilder(n, p), n }},
		field{"rebuilderd", func(n node, p string) { r.Rebuilderd, identity = d.rebuilderd(n, p), n }})
	d.required(n, p, present, "name")
	d.exactlyOne(n, p, present, kinds...)
	if len(d.problems) == before {
		if err := check(r); err != nil {
			d.complain(identity.offset, p, "%v", err)
		}
	}
	return r
}

func (d *decoder) keylessRebuilder(n node, p string) *KeylessRebuilder {
	k := &KeylessRebuilder{}
	present := d.object(n, p,
		field{"issuer", func(n node, p string) { k.Issuer = d.filled(n, p) }},
		field{"issuer_regexp", func(n node, p string) { k.IssuerRegexp = d.filled(n, p) }},
		field{"san", func(n node, p string) { k.SAN = d.filled(n, p) }},
		field{"san_regexp", func(n node, p string) { k.SANRegexp = d.filled(n, p) }},
		field{"unsafe_loose_regexp", func(n node, p string) { k.UnsafeLooseRegexp = d.boolean(n, p) }})
	d.exactlyOne(n, p, present, "issuer", "issuer_regexp")
	d.exactlyOne(n, p, present, "san", "san_regexp")
	return k
}

func (d *decoder) keyRebuilder(n node, p string) *KeyRebuilder {
	k := &KeyRebuilder{}
	present := d.object(n, p,
		field{"pem", func(n node, p string) { k.PEM = d.filled(n, p) }},
		field{"file", func(n node, p string) { k.File = d.filled(n, p) }},
		field{"unsafe_no_transparency_log", func(n node, p string) { k.UnsafeNoTransparencyLog = d.boolean(n, p) }})
	d.exactlyOne(n, p, present, "pem", "file")
	return k
}

func (d *decoder) rebuilderd(n node, p string) *RebuilderdRebuilder {
	r := &RebuilderdRebuilder{}
	present := d.object(n, p, field{"keys", func(n node, p string) {
		if !d.few(n, p, maxWorkers) {
			return
		}
		d.list(n, p, func(n node, p string) {
			key := d.filled(n, p)
			if slices.Contains(r.Keys, key) {
				d.complain(n.offset, p, "duplicate key")
			}
			r.Keys = append(r.Keys, key)
		})
		if len(r.Keys) == 0 {
			d.complain(n.offset, p, "expected at least one key")
		}
	}})
	d.required(n, p, present, "keys")
	return r
}

// exactlyOne wants one of several keys in an object.
func (d *decoder) exactlyOne(n node, p string, present map[string]bool, keys ...string) {
	if _, isObject := n.value.([]member); !isObject {
		return // that was said
	}
	found := 0
	for _, k := range keys {
		if present[k] {
			found++
		}
	}
	if found != 1 {
		d.complain(n.offset, p, "expected exactly one of %s, got %d", strings.Join(keys, ", "), found)
	}
}

// filled is a text that is not empty.
func (d *decoder) filled(n node, p string) string {
	s, ok := d.text(n, p)
	if ok && s == "" {
		d.complain(n.offset, p, "must not be empty")
	}
	return s
}

func (d *decoder) boolean(n node, p string) bool {
	v, ok := n.value.(bool)
	if !ok {
		d.complain(n.offset, p, "expected true or false, got %s", kind(n))
	}
	return v
}

// count is a whole number from 1 on.
func (d *decoder) count(n node, p string) int {
	num, _ := n.value.(json.Number)
	v, err := strconv.Atoi(string(num))
	if err != nil || v < 1 {
		d.complain(n.offset, p, "expected a whole number from 1 on, got %s", cmp.Or(string(num), kind(n)))
		return 1
	}
	return v
}
