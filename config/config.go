// Package config reads the config file of a link: strict YAML, where every error names the line and the mend.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/dualwrite/dualwrite/tablemap"
)

// File is the content of a config file.
type File struct {
	Link        tablemap.Link
	URLs        [2]string // of the databases, with their passwords; paths of SQLite are absolute
	Replication [2]string // URL for the role that reads the log, where it is another one; else ""
	Path        string    // of the file, absolute
}

// Load reads a config file. What is wrong with its content is an *Error, or Errors; variables come from the environment.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return Parse(path, string(text), os.LookupEnv)
}

// Parse reads the text of a config file that stands at path. Variables are looked up by the function given.
func Parse(path, text string, lookup func(string) (string, bool)) (*File, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find config: %w", err)
	}
	r := &reader{shown: path, folder: filepath.Dir(full), lookup: lookup, file: &File{Path: full}, lines: make(map[string]int)}
	if root := r.document(text); root != nil {
		r.root(root)
	}
	if len(r.errors) > 0 {
		return nil, r.errors.orNil()
	}
	for _, p := range r.file.Link.Validate() {
		r.fail(r.lineOf(p.Path), p.Hint, "%s", p.Message)
	}
	if len(r.errors) > 0 {
		return nil, r.errors.orNil()
	}
	return r.file, nil
}

// reader reads one file.
type reader struct {
	shown  string
	folder string
	lookup func(string) (string, bool)
	file   *File
	lines  map[string]int // by path: where it stands in the file
	errors Errors
}

func (r *reader) fail(line int, hint, format string, args ...any) {
	message := regexp.MustCompile(`\S*(://|@)\S*`).ReplaceAllString(fmt.Sprintf(format, args...), hidden)
	r.errors = append(r.errors, &Error{r.shown, line, message, hint})
}

// mark remembers the line of a place, for problems that are found later.
func (r *reader) mark(n *yaml.Node, path ...string) {
	r.lines[strings.Join(path, "\x00")] = n.Line
}

// lineOf is the line of a place, or of what is around it.
func (r *reader) lineOf(path []string) int {
	for n := len(path); n > 0; n-- {
		if line := r.lines[strings.Join(path[:n], "\x00")]; line > 0 {
			return line
		}
	}
	return 1
}

// root reads the whole file.
func (r *reader) root(n *yaml.Node) {
	m := r.mapping(n, "the config", []string{"link", "master", "sides", "maps"})
	if m == nil {
		return
	}
	link := &r.file.Link
	if v := m.need("link", "name the link, as in `link: contoso`"); v != nil {
		r.mark(v, "link")
		link.Name = r.text(v, "link")
	}
	sides := m.need("sides", "name the two databases under it, a line for each, as in `finops: ${FINOPS_URL}`")
	if sides == nil || !r.sides(sides) {
		return // nothing else can be told without the sides' names
	}
	link.Master = tablemap.Right
	if v := m.get("master"); v != nil {
		r.master(v)
	}
	if v := m.need("maps", "name the tables to keep equal, as in `maps: {currencies: {}}`"); v != nil {
		r.mark(v, "maps")
		r.maps(v)
	}
}

func (r *reader) master(n *yaml.Node) {
	r.mark(n, "master")
	link := &r.file.Link
	name, ok := r.scalar(n, "master")
	if !ok {
		return
	}
	side, ok := link.Side(name)
	if !ok {
		r.fail(n.Line, tablemap.DidYouMean("side", name, link.Sides[:]), "master is %s, which is no side", shown(name))
		return
	}
	link.Master = side
}
