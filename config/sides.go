package config

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/dualwrite/dualwrite/tablemap"
)

// sides reads the two databases, and reports whether their names are known.
func (r *reader) sides(n *yaml.Node) bool {
	m := r.mapping(n, "sides", nil)
	if m == nil {
		return false
	}
	if len(m.entries) != 2 {
		r.fail(n.Line, "a link has exactly two: `name: URL` for each", "sides has %d entries", len(m.entries))
		return false
	}
	named := true
	for i, e := range m.entries {
		r.mark(e.key, "sides", e.name)
		if shown(e.name) == hidden {
			r.fail(e.key.Line, "write `name: URL`", "a side has a name that cannot be one")
			named = false
			continue
		}
		r.file.Link.Sides[i] = e.name
		r.side(tablemap.Side(i), e)
	}
	if identity := r.identity(tablemap.Left); identity != "" && identity == r.identity(tablemap.Right) {
		r.fail(m.entries[1].value.Line, "give each side a database of its own", "both sides are the same database")
	}
	return named
}

// side reads one database: a URL, or a mapping with another one for the role that reads the log.
func (r *reader) side(side tablemap.Side, e entry) {
	what := "side " + e.name
	if follow(e.value).Kind == yaml.ScalarNode {
		r.file.URLs[side] = r.address(e.value, what)
		return
	}
	m := r.mapping(e.value, what, []string{"url", "replication"})
	if m == nil {
		return
	}
	if v := m.need("url", "write `url:` and the address of the database"); v != nil {
		r.file.URLs[side] = r.address(v, "url of "+what)
	}
	v := m.get("replication")
	if v == nil {
		return
	}
	r.file.Replication[side] = r.address(v, "replication of "+what)
	if other := identity(r.file.Replication[side]); other != "" && r.identity(side) != "" && other != r.identity(side) {
		r.fail(v.Line, "name the same database, with another role", "replication of %s is another database than its url", what)
	}
}

// address reads the URL of a database, "" when it is none.
func (r *reader) address(n *yaml.Node, what string) string {
	text, ok := r.scalar(n, what)
	if !ok {
		return ""
	}
	text, ok = r.expand(n, what, text)
	if !ok {
		return ""
	}
	full, message, hint := parseAddress(text, r.folder)
	if message != "" {
		r.fail(n.Line, hint, "%s %s", what, message)
		return ""
	}
	return full
}

// expand puts the environment's values in the place of ${VAR}.
func (r *reader) expand(n *yaml.Node, what, text string) (string, bool) {
	var b strings.Builder
	good := true
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), good
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) {
			r.fail(n.Line, "write ${NAME}; a $ that means itself is %24 in a URL", "%s has a ${ that names no variable", what)
			return "", false
		}
		value, set := r.lookup(name)
		if !set || value == "" {
			state := "not set"
			if set {
				state = "empty"
			}
			example := "postgres://user:password@host/database"
			if text != "${"+name+"}" || before != "" {
				example = "…"
			}
			r.fail(n.Line, "set it, as in `export "+name+"="+example+"`", "%s wants the variable %s, which is %s", what, name, state)
			good = false
		}
		b.WriteString(value)
		text = after
	}
}

// Schemes are the kinds of databases that a URL can name.
func Schemes() []string { return []string{"postgres", "postgresql", "mysql", "sqlite"} }

const urlMend = "write postgres://user:password@host:5432/database or sqlite:/path/file.db"

// parseAddress checks a URL and makes the path of an SQLite file absolute. Its words carry no part of the URL but the
// scheme of another kind of database.
func parseAddress(text, folder string) (full, message, hint string) {
	scheme, rest, found := strings.Cut(text, ":")
	if !found || !slices.Contains(Schemes(), scheme) {
		return "", unknownScheme(scheme, found), urlMend
	}
	if scheme == "sqlite" {
		return parseSQLite(rest, folder)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "is not a valid URL", "write special characters of user and password as %XX (@ is %40, / is %2F, : is %3A, % is %25); " + urlMend
	case u.Host == "" && u.Query().Get("host") == "":
		return "", "names no host", urlMend
	case strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "":
		return "", "names no database", urlMend
	case u.Fragment != "":
		return "", "has a # in it", "write it as %23"
	}
	return text, "", ""
}

// unknownScheme says what is wrong with a scheme. A word that is not that of a database may be a secret.
func unknownScheme(scheme string, found bool) string {
	foreign := []string{"mariadb", "mssql", "sqlserver", "oracle", "mongodb", "db2", "file", "http", "https", "jdbc", "sqlite3", "pgx", "psql", "pg"}
	switch {
	case !found:
		return "is not a URL"
	case slices.Contains(foreign, strings.ToLower(scheme)), slices.Contains(Schemes(), strings.ToLower(scheme)):
		return "begins with " + scheme + ":, which is none of " + strings.Join(Schemes(), ", ")
	}
	return "begins with none of " + strings.Join(Schemes(), ", ")
}

func parseSQLite(rest, folder string) (full, message, hint string) {
	path, local := rest, true
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		path, local = authority, strings.HasPrefix(authority, "/")
	}
	switch {
	case !local:
		return "", "names a host, which SQLite does not have", "write sqlite:/path/file.db or sqlite:file.db"
	case path == "":
		return "", "names no file", "write sqlite:/path/file.db or sqlite:file.db"
	case strings.Contains(path, "?"):
		return "", "has options, and there are none for SQLite", "take the ? and what follows out; a ? in a file name is %3F"
	}
	if !strings.HasPrefix(path, "/") {
		path = strings.NewReplacer("%", "%25", "?", "%3F").Replace(folder) + "/" + path
	}
	return "sqlite:" + filepath.Clean(path), "", ""
}

func (r *reader) identity(side tablemap.Side) string { return identity(r.file.URLs[side]) }

// identity is what the URLs of one database have in common, whoever connects to it and how; "" for none.
func identity(address string) string {
	if path, ok := strings.CutPrefix(address, "sqlite:"); ok {
		if plain, err := url.PathUnescape(path); err == nil {
			path = plain
		}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		return "sqlite:" + path
	}
	u, err := url.Parse(address)
	if err != nil || address == "" {
		return ""
	}
	scheme, port := "postgres", "5432"
	if u.Scheme == "mysql" {
		scheme, port = "mysql", "3306"
	}
	q := u.Query()
	port = either(u.Port(), q.Get("port"), port)
	host := strings.ToLower(either(u.Hostname(), q.Get("host")))
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/" + either(strings.Trim(u.Path, "/"), q.Get("dbname"))
}

// either is the first text that is not empty.
func either(texts ...string) string {
	i := slices.IndexFunc(texts, func(s string) bool { return s != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}
