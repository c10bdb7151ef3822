package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"facerec/internal/text"
)

// maxConfigSize and maxDepth bound what a configuration may cost to read.
const (
	maxConfigSize = 1 << 20
	maxDepth      = 32
)

// node is a JSON value that knows where it stands, so that every complaint can
// name line and column. encoding/json checks the grammar; this only keeps the
// offsets that its Unmarshal throws away.
type node struct {
	offset int // of the value's first byte
	value  any // nil, bool, json.Number, string, []node, []member
}

type member struct {
	key       string
	keyOffset int
	value     node
}

// parseJSON reads one document. Anything after it is an error.
func parseJSON(data []byte) (node, error) {
	p := parser{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	// The grammar first: only here are the offsets of syntax errors exact.
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return node{}, p.syntax(err)
	}
	p.dec.UseNumber()
	return p.value(0)
}

type parser struct {
	data []byte
	dec  *json.Decoder
}

func (p *parser) value(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, p.at(int(p.dec.InputOffset()), fmt.Sprintf("nested more than %d deep", maxDepth))
	}
	start := p.start(p.dec.InputOffset())
	tok, err := p.dec.Token()
	if err != nil {
		return node{}, p.syntax(err)
	}
	n := node{offset: start, value: tok}
	switch tok {
	case json.Delim('['):
		list := []node{}
		for p.dec.More() {
			e, err := p.value(depth + 1)
			if err != nil {
				return node{}, err
			}
			list = append(list, e)
		}
		n.value = list
	case json.Delim('{'):
		members := []member{}
		seen := map[string]bool{}
		for p.dec.More() {
			keyStart := p.start(p.dec.InputOffset())
			key, err := p.dec.Token()
			if err != nil {
				return node{}, p.syntax(err)
			}
			name := key.(string) // the decoder allows nothing else here
			if seen[name] {
				return node{}, p.at(keyStart, fmt.Sprintf("key %q is a duplicate in this object", name))
			}
			seen[name] = true
			v, err := p.value(depth + 1)
			if err != nil {
				return node{}, err
			}
			members = append(members, member{name, keyStart, v})
		}
		n.value = members
	default:
		return n, nil
	}
	if _, err := p.dec.Token(); err != nil { // the closing delimiter
		return node{}, p.syntax(err)
	}
	return n, nil
}

// start finds the first byte of the token after offset: the decoder tells only
// where the last one ended.
func (p *parser) start(offset int64) int {
	i := int(offset)
	for i < len(p.data) && strings.IndexByte(" \t\r\n,:", p.data[i]) >= 0 {
		i++
	}
	return i
}

func (p *parser) syntax(err error) error {
	var se *json.SyntaxError
	if errors.As(err, &se) {
		if se.Offset >= int64(len(p.data)) && strings.Contains(se.Error(), "unexpected end") {
			return p.at(len(p.data), "the document ends too early")
		}
		return p.at(int(se.Offset)-1, se.Error())
	}
	return p.at(int(p.dec.InputOffset()), err.Error())
}

func (p *parser) at(offset int, message string) error {
	line, column := position(p.data, offset)
	return &Problem{Line: line, Column: column, Message: message}
}

// position counts lines and columns (in bytes) from 1.
func position(data []byte, offset int) (line, column int) {
	offset = min(max(offset, 0), len(data))
	before := data[:offset]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = offset - bytes.LastIndexByte(before, '\n')
	return line, column
}

// Problem is one complaint about a configuration file.
type Problem struct {
	Line, Column int // from 1; columns count bytes
	Field        string
	Message      string
}

func (p *Problem) Error() string {
	s := fmt.Sprintf("%d:%d: ", p.Line, p.Column)
	if p.Field != "" {
		s += p.Field + ": "
	}
	return s + p.Message
}

// Problems is everything that is wrong with a configuration file, in the order
// of the file.
type Problems struct {
	File string
	List []*Problem
}

func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, one := range p.List {
		lines[i] = p.File + ":" + one.Error()
	}
	return strings.Join(lines, "\n")
}

// decoder turns nodes into values and collects problems instead of stopping at
// the first: a person repairing a file wants all of them, up to [maxProblems].
type decoder struct {
	data     []byte
	problems []*Problem
}

// document reads the whole file, or complains.
func (d *decoder) document() (node, bool) {
	if len(d.data) > maxConfigSize {
		d.complain(0, "", "larger than %d bytes", maxConfigSize)
		return node{}, false
	}
	for rest := d.data; len(rest) > 0; { // encoding/json would repair it silently
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			d.complain(len(d.data)-len(rest), "", "not valid UTF-8")
			return node{}, false
		}
		rest = rest[n:]
	}
	root, err := parseJSON(d.data)
	if err != nil {
		var p *Problem
		if !errors.As(err, &p) {
			p = &Problem{Line: 1, Column: 1, Message: err.Error()}
		}
		d.problems = append(d.problems, p)
		return node{}, false
	}
	return root, true
}

// maxProblems is how many problems are listed. The position of each is looked for.
const maxProblems = 100

func (d *decoder) complain(offset int, field, format string, args ...any) {
	if len(d.problems) >= maxProblems {
		return
	}
	line, column := position(d.data, offset)
	d.problems = append(d.problems, &Problem{line, column, field, fmt.Sprintf(format, args...)})
}

func (d *decoder) sorted() []*Problem {
	sort.SliceStable(d.problems, func(i, j int) bool {
		a, b := d.problems[i], d.problems[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	return d.problems
}

// field is one key that an object may have.
type field struct {
	key  string
	read func(n node, path string)
}

// object hands every member to its field and complains about unknown keys. It
// returns the keys that were there.
func (d *decoder) object(n node, path string, fields ...field) map[string]bool {
	present := map[string]bool{}
	members, ok := n.value.([]member)
	if !ok {
		d.complain(n.offset, path, "expected an object, got %s", kind(n))
		return present
	}
members:
	for _, m := range members {
		name := m.key
		if path != "" {
			name = path + "." + m.key
		}
		for _, f := range fields {
			if f.key == m.key {
				present[m.key] = true
				f.read(m.value, name)
				continue members
			}
		}
		d.complain(m.keyOffset, name, "unknown key%s", suggest(m.key, fields))
	}
	return present
}

func (d *decoder) list(n node, path string, each func(n node, path string)) {
	list, ok := n.value.([]node)
	if !ok {
		d.complain(n.offset, path, "expected a list, got %s", kind(n))
		return
	}
	for i, e := range list {
		each(e, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *decoder) text(n node, path string) (string, bool) {
	s, ok := n.value.(string)
	if !ok {
		d.complain(n.offset, path, "expected a string, got %s", kind(n))
	}
	return s, ok
}

func kind(n node) string {
	switch n.value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []node:
		return "a list"
	default:
		return "an object"
	}
}

// suggest names the known key nearest to a mistyped one.
func suggest(key string, fields []field) string {
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.key
	}
	if near, ok := text.Nearest(key, known); ok {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return ", known here: " + strings.Join(known, ", ")
}
