package config

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/dualwrite/dualwrite/tablemap"
)

// Starter is a config file to begin with.
type Starter struct {
	Link  tablemap.Link
	URLs  [2]string           // as they are to stand in the file
	Notes map[string][]string // comments, by map
	Foot  []string            // comments at the end
}

// Secret is a password that stood in a URL. It is never written.
type Secret struct{ Variable, Value string }

// TakePassword puts ${NAME_PASSWORD}, of a side's name, in the place of the password of a URL. A URL without one, or
// whose password is a ${VAR} already, stays as it is.
func TakePassword(side, address string) (string, Secret) {
	scheme, rest, found := strings.Cut(address, "://")
	if !found || scheme == "sqlite" {
		return address, Secret{}
	}
	variable := strings.ToUpper(regexp.MustCompile(`[^A-Za-z0-9]`).ReplaceAllString(side, "_")) + "_PASSWORD"
	if variable[0] >= '0' && variable[0] <= '9' {
		variable = "_" + variable
	}
	take := func(value string) (string, Secret) {
		if value == "" || strings.HasPrefix(value, "${") {
			return value, Secret{}
		}
		return "${" + variable + "}", Secret{variable, value}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndex(rest[:end], "@"); at >= 0 {
		if user, password, ok := strings.Cut(rest[:at], ":"); ok {
			hidden, secret := take(password)
			return scheme + "://" + user + ":" + hidden + rest[at:], secret
		}
	}
	before, query, _ := strings.Cut(address, "?")
	parts := strings.Split(query, "&")
	for i, part := range parts {
		if value, ok := strings.CutPrefix(part, "password="); ok {
			hidden, secret := take(value)
			parts[i] = "password=" + hidden
			return before + "?" + strings.Join(parts, "&"), secret
		}
	}
	return address, Secret{}
}

// Passwords counts the passwords of a URL; more than one cannot be told apart in a config.
func Passwords(address string) int {
	n := 0
	u, err := url.Parse(address)
	if err != nil {
		return 0
	}
	if _, ok := u.User.Password(); ok {
		n++
	}
	return n + len(u.Query()["password"])
}

// Text is the file.
func (s *Starter) Text() (string, error) {
	root := mappingNode()
	add(root, "link", scalarNode(s.Link.Name))
	add(root, "master", scalarNode(s.Link.Sides[s.Link.Master])).LineComment = "wins where both changed a row"
	sides := mappingNode()
	for i, name := range s.Link.Sides {
		add(sides, name, scalarNode(s.URLs[i]))
	}
	add(root, "sides", sides)
	maps := mappingNode()
	for i := range s.Link.Maps {
		m := &s.Link.Maps[i]
		add(maps, m.Name, s.mapNode(m))
		if notes := s.Notes[m.Name]; len(notes) > 0 {
			maps.Content[len(maps.Content)-2].HeadComment = comment(notes)
		}
	}
	add(root, "maps", maps)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return "", fmt.Errorf("write config: %w", err)
	}
	if len(s.Foot) > 0 {
		b.WriteString("\n" + comment(s.Foot) + "\n")
	}
	return b.String(), nil
}

// mapNode writes one map: what is not what a config without it would mean.
func (s *Starter) mapNode(m *tablemap.Map) *yaml.Node {
	out := mappingNode()
	if m.Tables != [2]string{m.Name, m.Name} {
		add(out, "tables", s.pairNode(m.Tables))
	}
	add(out, "key", s.columnsNode(m.Key))
	if m.Columns != nil {
		add(out, "columns", s.columnsNode(m.Columns))
	}
	if len(m.Related) > 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, name := range m.Related {
			list.Content = append(list.Content, scalarNode(name))
		}
		add(out, "related", list)
	}
	return out
}

func (s *Starter) columnsNode(columns []tablemap.Column) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	if len(columns) == 0 {
		list.Style = yaml.FlowStyle
	}
	for _, c := range columns {
		one := s.pairNode(c.Names)
		for _, from := range []tablemap.Side{tablemap.Left, tablemap.Right} {
			if c.Direction != tablemap.Both && c.Direction.Flows(from) {
				add(one, "direction", scalarNode(s.Link.ArrowWord(from)))
			}
		}
		list.Content = append(list.Content, one)
	}
	return list
}

func (s *Starter) pairNode(names [2]string) *yaml.Node {
	out := mappingNode()
	out.Style = yaml.FlowStyle
	for i, name := range names {
		add(out, s.Link.Sides[i], scalarNode(name))
	}
	return out
}

func mappingNode() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

// scalarNode is a text, quoted where YAML would read it as something else.
func scalarNode(text string) *yaml.Node {
	n := new(yaml.Node)
	n.SetString(text)
	return n
}

func add(to *yaml.Node, key string, value *yaml.Node) *yaml.Node {
	to.Content = append(to.Content, scalarNode(key), value)
	return value
}

// comment makes lines of a comment; what the databases call things cannot end it.
func comment(lines []string) string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = "# " + strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(out, "\n")
}
