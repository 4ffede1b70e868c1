package config

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/dualwrite/dualwrite/tablemap"
)

// document parses the text and returns its root, nil when it has none.
func (r *reader) document(text string) *yaml.Node {
	d := yaml.NewDecoder(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	var doc, more yaml.Node
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && isNull(doc.Content[0]) {
		r.fail(0, "`dualwrite init` writes a first one", "the file is empty")
		return nil
	}
	if err == nil {
		if err = d.Decode(&more); err == nil {
			r.fail(more.Line, "one file describes one link: put the second one into a file of its own", "there are several documents in the file")
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		r.syntax(text, err)
		return nil
	}
	return doc.Content[0]
}

// syntax explains why the text is no YAML. The parser's words may repeat the file's, which may hold a password.
func (r *reader) syntax(text string, err error) {
	line := 0
	said := regexp.MustCompile(`line (\d+): (.*)`).FindStringSubmatch(err.Error())
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if said != nil {
		line, _ = strconv.Atoi(said[1])
		message = said[2]
		if regexp.MustCompile(`expected (<document|',' or|'-' |key|node)`).MatchString(message) {
			line++ // these come from the parser, which counts from 0
		}
	}
	for i, l := range strings.Split(text, "\n") {
		indent := l[:len(l)-len(strings.TrimLeft(l, " \t"))]
		if strings.Contains(indent, "\t") && strings.TrimSpace(l) != "" {
			r.fail(i+1, "indent with spaces", "the line is indented with a tab, which YAML does not allow")
			return
		}
	}
	if strings.Contains(message, "anchor") {
		message = "an alias has no anchor before it"
	}
	hint := "look at its indentation, colons and quotes, and those of the line above"
	if regexp.MustCompile(`[{\[,].*[ :]\$\{`).MatchString(text) {
		hint = "between { } or [ ] a variable needs quotes: \"${NAME}\""
	}
	r.fail(line, hint, "the file is not valid YAML: %s", message)
}

// entry is one key of a mapping with its value.
type entry struct {
	name  string
	key   *yaml.Node
	value *yaml.Node
}

// mapping is a YAML mapping whose keys are known to be the allowed ones, each once.
type mapping struct {
	reader  *reader
	what    string
	node    *yaml.Node
	entries []entry
	unknown []string
}

// mapping reads a mapping. what names it in errors; allowed nil lets every key through.
func (r *reader) mapping(n *yaml.Node, what string, allowed []string) *mapping {
	m := &mapping{reader: r, what: what, node: n}
	n = follow(n)
	if isNull(n) {
		return m
	}
	if n.Kind != yaml.MappingNode {
		r.fail(m.node.Line, "write it as `key: value` lines", "%s must be a mapping", what)
		return nil
	}
	for _, e := range r.entries(n, what) {
		if allowed != nil && !slices.Contains(allowed, e.name) {
			r.fail(e.key.Line, didYouMean(e.name, allowed), "%s has an unknown key %s", what, shown(e.name))
			m.unknown = append(m.unknown, e.name)
			continue
		}
		m.entries = append(m.entries, e)
	}
	return m
}

// entries lists the keys of a mapping node, with those that it merges in (<<), which give way to its own.
func (r *reader) entries(n *yaml.Node, what string) []entry {
	var own, merged []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := follow(n.Content[i]), n.Content[i+1]
		if key.Tag == "!!merge" {
			merged = append(merged, r.merged(value, what)...)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			r.fail(n.Content[i].Line, "write a plain word there", "a key of %s is not a word", what)
			continue
		}
		if j := slices.IndexFunc(own, func(e entry) bool { return e.name == key.Value }); j >= 0 {
			r.fail(n.Content[i].Line, "keep one of them", "%s has the key %s twice: on lines %d and %d", what, shown(key.Value),
				own[j].key.Line, n.Content[i].Line)
			continue
		}
		own = append(own, entry{key.Value, n.Content[i], value})
	}
	for _, e := range merged {
		if !slices.ContainsFunc(own, func(o entry) bool { return o.name == e.name }) {
			own = append(own, e)
		}
	}
	return own
}

// merged lists the keys of what << names: one mapping or a list of them. Those have no merges of their own.
func (r *reader) merged(n *yaml.Node, what string) []entry {
	n = follow(n)
	sources := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		sources = n.Content
	}
	var all []entry
	for _, s := range sources {
		s = follow(s)
		if s.Kind != yaml.MappingNode {
			r.fail(s.Line, "name mappings there, as in `<<: *common`", "what %s merges in is no mapping", what)
			continue
		}
		for i := 0; i+1 < len(s.Content); i += 2 {
			if key := follow(s.Content[i]); key.Tag == "!!merge" || key.Kind != yaml.ScalarNode {
				r.fail(key.Line, "merge it in directly", "what %s merges in cannot merge in more", what)
			} else {
				all = append(all, entry{key.Value, s.Content[i], s.Content[i+1]})
			}
		}
	}
	return all
}

// get returns the value of a key, nil when it is not there.
func (m *mapping) get(name string) *yaml.Node {
	for _, e := range m.entries {
		if e.name == name {
			return e.value
		}
	}
	return nil
}

// need is get for a key that must be there. If it is there misspelt, that has been said.
func (m *mapping) need(name, hint string) *yaml.Node {
	v := m.get(name)
	misspelt := func(s string) bool { return tablemap.Closest(s, []string{name}) != "" }
	if v == nil && !slices.ContainsFunc(m.unknown, misspelt) {
		m.reader.fail(m.node.Line, hint, "%s lacks %s", m.what, name)
	}
	return v
}

// list reads a sequence.
func (r *reader) list(n *yaml.Node, what string) []*yaml.Node {
	n = follow(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n.Line, "write it as a list: `- …` lines or […]", "%s must be a list", what)
		return nil
	}
	return n.Content
}

// scalar reads a value as its text, also where YAML would take it for a number or a boolean.
func (r *reader) scalar(n *yaml.Node, what string) (string, bool) {
	n = follow(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		r.fail(n.Line, "write one plain value there", "%s must be a text", what)
	case isNull(n):
		r.fail(n.Line, "write a value there; in quotes if it is meant to be the word or empty", "%s has no value", what)
	default:
		return n.Value, true
	}
	return "", false
}

func (r *reader) text(n *yaml.Node, what string) string {
	s, _ := r.scalar(n, what)
	return s
}

// boolean reads true or false.
func (r *reader) boolean(n *yaml.Node, what string) bool {
	s, ok := r.scalar(n, what)
	if ok && s != "true" && s != "false" {
		r.fail(n.Line, "write true or false", "%s cannot be %s", what, shown(s))
	}
	return s == "true"
}

// choice reads one of some words.
func (r *reader) choice(n *yaml.Node, what string, words []string) string {
	s, ok := r.scalar(n, what)
	if ok && !slices.Contains(words, s) {
		r.fail(n.Line, didYouMean(s, words), "%s cannot be %s", what, shown(s))
		return ""
	}
	return s
}

// follow resolves an alias.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func didYouMean(wrong string, words []string) string {
	all := "possible are " + strings.Join(words, ", ")
	if near := tablemap.Closest(wrong, words); near != "" {
		return "did you mean " + near + "? " + all
	}
	return all
}

// hidden stands in errors for what may be a part of a database URL.
const hidden = "(not shown)"

// shown quotes a word of the file in an error, unless it may be a part of a database URL.
func shown(s string) string {
	if strings.ContainsAny(s, "@/?\n") || strings.Contains(s, "${") || len(s) > 60 {
		return hidden
	}
	return fmt.Sprintf("%q", s)
}
