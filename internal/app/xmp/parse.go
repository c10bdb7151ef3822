package xmp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"facerec/internal/text"
)

// node is an element, and where it is in the document.
type node struct {
	parent       *node
	kids         []*node
	space, local string
	qname        string // as it is written
	attrs        []attr
	scope        map[string]string // prefixes that it declares
	chars        strings.Builder   // its own text
	// The start tag begins at start and ends at open; the end tag begins at
	// shut and ends at stop. An element that is closed by its start tag has
	// open = shut = stop.
	start, open, shut, stop int
}

type attr struct{ space, local, value string }

// closed reports whether the element has no end tag of its own.
func (n *node) closed() bool { return n.open == n.stop }

// is reports whether n is an element of this name.
func (n *node) is(space, local string) bool { return n.space == space && n.local == local }

// attr returns the value of an attribute.
func (n *node) attr(space, local string) (string, bool) {
	for _, a := range n.attrs {
		if a.space == space && a.local == local {
			return a.value, true
		}
	}
	return "", false
}

// uri is what a prefix means in n; "" if nothing.
func (n *node) uri(prefix string) string {
	if prefix == "xml" {
		return nsXML
	}
	for ; n != nil; n = n.parent {
		if uri, ok := n.scope[prefix]; ok {
			return uri
		}
	}
	return ""
}

// all returns the children of this name.
func (n *node) all(space, local string) []*node {
	var out []*node
	for _, k := range n.kids {
		if k.is(space, local) {
			out = append(out, k)
		}
	}
	return out
}

// child returns the first child of this name, or nil.
func (n *node) child(space, local string) *node {
	if n == nil {
		return nil
	}
	if all := n.all(space, local); len(all) > 0 {
		return all[0]
	}
	return nil
}

// text is the element's own text, without the space around it.
func (n *node) text() string { return strings.TrimSpace(n.chars.String()) }

// NotXMPError says that a file is not a sidecar that can be merged.
type NotXMPError struct {
	Line int // 0 if it is about the whole
	Text string
}

func (e *NotXMPError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Text)
	}
	return e.Text
}

// parser reads a document into nodes.
type parser struct {
	d     *xml.Decoder
	skip  int // bytes before the decoder's first
	root  *node
	at    *node
	depth int
	nodes int
}

func (p *parser) failf(format string, args ...any) error {
	line, _ := p.d.InputPos()
	return &NotXMPError{line, fmt.Sprintf(format, args...)}
}

// parse reads a whole document.
func parse(data []byte) (*node, error) {
	if len(data) > MaxBytes {
		return nil, &NotXMPError{0, fmt.Sprintf("%d bytes, expected at most %d", len(data), MaxBytes)}
	}
	rest := bytes.TrimPrefix(data, []byte("\ufeff"))
	if bytes.HasPrefix(data, []byte("\xfe\xff")) || bytes.HasPrefix(data, []byte("\xff\xfe")) {
		return nil, &NotXMPError{1, "UTF-16, expected UTF-8"}
	}
	p := &parser{d: xml.NewDecoder(bytes.NewReader(rest)), skip: len(data) - len(rest)}
	for {
		start := p.skip + int(p.d.InputOffset())
		t, err := p.d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, malformed(err)
		}
		if err := p.token(t, start, p.skip+int(p.d.InputOffset())); err != nil {
			return nil, err
		}
	}
	switch {
	case p.at != nil:
		return nil, p.failf("the document ends in <%s>", text.Line(p.at.qname, 80))
	case p.root == nil:
		return nil, &NotXMPError{0, "no XML element"}
	}
	return p.root, nil
}

// malformed is the decoder's error, with its line.
func malformed(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return &NotXMPError{syntax.Line, "malformed XML: " + text.Line(syntax.Msg, 200)}
	}
	return &NotXMPError{0, "malformed XML: " + text.Line(err.Error(), 200)}
}

func (p *parser) token(t xml.Token, start, stop int) error {
	switch t := t.(type) {
	case xml.StartElement:
		return p.begin(t, start, stop)
	case xml.EndElement:
		n := p.at
		if n == nil || qname(t.Name) != n.qname {
			return p.failf("</%s> closes nothing", text.Line(qname(t.Name), 80))
		}
		n.shut, n.stop = start, stop
		p.at = n.parent
		p.depth--
	case xml.CharData:
		if p.at != nil {
			p.at.chars.Write(t)
		} else if len(bytes.TrimSpace(t)) > 0 {
			return p.failf("text outside of all elements")
		}
	case xml.Directive:
		return p.failf("a document type declaration, expected none")
	}
	return nil
}

func (p *parser) begin(t xml.StartElement, start, stop int) error {
	n := &node{parent: p.at, qname: qname(t.Name), start: start, open: stop}
	if p.at == nil && p.root != nil {
		return p.failf("a second element at the top")
	}
	p.depth++
	if p.nodes += 1 + len(t.Attr); p.depth > maxDepth || p.nodes > maxNodes {
		return p.failf("too many or too deeply nested elements, expected at most %d and %d", maxNodes, maxDepth)
	}
	declare := func(prefix, uri string) {
		if n.scope == nil {
			n.scope = map[string]string{}
		}
		n.scope[prefix] = uri
	}
	for _, a := range t.Attr {
		switch {
		case a.Name.Space == "xmlns":
			if a.Value == "" {
				return p.failf("the prefix %s is declared as nothing", text.Line(a.Name.Local, 80))
			}
			declare(a.Name.Local, a.Value)
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			declare("", a.Value)
		}
	}
	resolve := func(name xml.Name, element bool) (string, error) {
		if strings.Contains(name.Local, ":") {
			return "", p.failf("%s is not a name", text.Line(qname(name), 80))
		}
		if name.Space == "" && !element {
			return "", nil
		}
		uri := n.uri(name.Space)
		if uri == "" && name.Space != "" {
			return "", p.failf("the prefix of %s is not declared", text.Line(qname(name), 80))
		}
		return uri, nil
	}
	var err error
	if n.space, err = resolve(t.Name, true); err != nil {
		return err
	}
	n.local = t.Name.Local
	seen := map[[2]string]bool{}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			key := [2]string{"xmlns", qname(a.Name)}
			if seen[key] {
				return p.failf("the attribute %s is a duplicate", text.Line(qname(a.Name), 80))
			}
			seen[key] = true
			continue
		}
		space, err := resolve(a.Name, false)
		if err != nil {
			return err
		}
		key := [2]string{space, a.Name.Local}
		if seen[key] {
			return p.failf("the attribute %s is a duplicate", text.Line(qname(a.Name), 80))
		}
		seen[key] = true
		n.attrs = append(n.attrs, attr{space, a.Name.Local, a.Value})
	}
	if p.at == nil {
		p.root = n
	} else {
		p.at.kids = append(p.at.kids, n)
	}
	p.at = n
	return nil
}

// qname is a name as it is written.
func qname(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
